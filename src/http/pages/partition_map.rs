//! The partition map: a row a topic, a cell a partition, coloured and shaped by what is wrong with it.

use std::fmt::Write;

use super::parts::{Kind, Scope};
use super::words::{escape, grouped, plural};
use crate::logic::watch::snapshot::PartitionSeen;
use crate::status::topics_worst_first;

/// Topics on the map; the rest is on the list.
const MAX_TOPICS: usize = 60;
/// Cells a row, the worst first where there are more.
const MAX_CELLS: usize = 120;

/// What is wrong with a partition; the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// Nothing.
    Good,
    /// Another replica than the preferred one leads.
    NotPreferred,
    /// A replica is not in sync.
    UnderReplicated,
    /// So many are not that acks=all is refused.
    UnderMinIsr,
    /// Nobody leads it.
    Offline,
}

impl Health {
    const ALL: [Self; 5] = [Self::Offline, Self::UnderMinIsr, Self::UnderReplicated, Self::NotPreferred, Self::Good];

    /// Of a partition of a topic with this min.insync.replicas.
    pub(super) fn of(partition: &PartitionSeen, min_insync: Option<u32>) -> Self {
        let in_sync = partition.isr.len();
        if partition.leader.is_none() {
            Self::Offline
        } else if min_insync.is_some_and(|least| in_sync < usize::try_from(least).unwrap_or(usize::MAX)) {
            Self::UnderMinIsr
        } else if in_sync < partition.replicas.len() {
            Self::UnderReplicated
        } else if partition.leader != partition.replicas.first().copied() {
            Self::NotPreferred
        } else {
            Self::Good
        }
    }

    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Good => "in order",
            Self::NotPreferred => "not led by its preferred replica",
            Self::UnderReplicated => "under-replicated",
            Self::UnderMinIsr => "under min ISR",
            Self::Offline => "offline",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Good => "",
            Self::NotPreferred => "n",
            Self::UnderReplicated => "u",
            Self::UnderMinIsr => "m",
            Self::Offline => "o",
        }
    }
}

/// The map of a cluster, the worst topics first, with what the cells mean.
pub(super) fn render(page: &mut String, scope: &Scope<'_>) {
    let topics = topics_worst_first(scope.view);
    if topics.is_empty() {
        return;
    }
    page.push_str("<h3>Partitions</h3><p class=\"legend\">");
    for health in Health::ALL {
        // Writing to a String cannot fail, here and below.
        let _ = write!(page, "<span>{}{}</span>", cell(health, None), health.name());
    }
    page.push_str("</p><div class=\"map\">\n");
    for (name, _) in topics.iter().take(MAX_TOPICS) {
        let Some(seen) = scope.view.seen.topics.get(*name) else { continue };
        let min_insync = scope.view.slow.as_ref().and_then(|slow| slow.min_insync.get(*name).copied());
        let count = seen.partitions.len();
        let _ = write!(page, "<div>{}</div><div>", scope.link(Kind::Topics, name));
        let mut cells: Vec<(Health, &PartitionSeen)> =
            seen.partitions.iter().map(|partition| (Health::of(partition, min_insync), partition)).collect();
        if count > MAX_CELLS {
            // Those that are cut off are the good ones.
            cells.sort_by_key(|(health, partition)| (std::cmp::Reverse(*health), partition.number));
        }
        for (health, partition) in cells.iter().take(MAX_CELLS) {
            page.push_str(&cell(*health, Some(partition)));
        }
        if let Some(more @ 1..) = count.checked_sub(MAX_CELLS) {
            let _ = write!(page, " <small>+{}</small>", grouped(more));
        }
        page.push_str("</div>\n");
    }
    page.push_str("</div>\n");
    if let Some(more @ 1..) = topics.len().checked_sub(MAX_TOPICS) {
        let text = format!("{} more topic{}, in better order", grouped(more), plural(more));
        let _ = writeln!(page, "<p class=\"parts\">{}</p>", scope.link_to_all(Kind::Topics, &text));
    }
}

/// A cell; what is wrong is in its title.
fn cell(health: Health, partition: Option<&PartitionSeen>) -> String {
    match (health, partition) {
        (Health::Good, _) => "<i></i>".to_owned(),
        (_, None) => format!("<i class={}></i>", health.class()),
        (_, Some(partition)) => format!(
            "<i class={} title=\"partition {}: {}, replicas {}, in sync {}\"></i>",
            health.class(),
            partition.number,
            health.name(),
            escape(&numbers(&partition.replicas)),
            escape(&numbers(&partition.isr)),
        ),
    }
}

/// `1, 2, 3`.
pub(super) fn numbers(brokers: &[i32]) -> String {
    if brokers.is_empty() {
        return "none".to_owned();
    }
    brokers.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_what_counts() {
        let check = |rule: &str, leader, isr: &[i32], min_insync, expected| {
            let partition =
                PartitionSeen { leader, replicas: [1, 2, 3].into(), isr: isr.into(), ..PartitionSeen::default() };
            assert_eq!(Health::of(&partition, min_insync), expected, "{rule}");
        };
        check("all is well", Some(1), &[1, 2, 3], Some(2), Health::Good);
        check("another leads", Some(2), &[1, 2, 3], Some(2), Health::NotPreferred);
        check("one is behind", Some(2), &[2, 3], Some(2), Health::UnderReplicated);
        check("too few for acks=all", Some(2), &[2], Some(2), Health::UnderMinIsr);
        check("the same where the least is not known", Some(2), &[2], None, Health::UnderReplicated);
        check("nobody leads", None, &[2, 3], Some(2), Health::Offline);
    }
}
