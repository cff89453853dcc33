//! The terminal as `status --watch` uses it: a screen of its own, keys without Enter, its size; and everything as it was
//! afterwards. Knows nothing of what is shown.

use std::io::{self, IsTerminal, Read};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::screen::Size;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Another screen, and no cursor on it.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Where nobody knows it.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// The terminal, taken over until it is dropped.
pub(super) struct Terminal<'o, 's> {
    output: &'o mut Output<'s>,
    /// How its input was before; none: it is no terminal.
    before: Option<Termios>,
}

impl<'o, 's> Terminal<'o, 's> {
    pub(super) fn enter(output: &'o mut Output<'s>) -> Result<Self, Failure> {
        let before = if io::stdin().is_terminal() { tcgetattr(io::stdin()).ok() } else { None };
        if let Some(before) = &before {
            let mut modes = before.clone();
            // Ctrl-C stays a signal.
            modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            tcsetattr(io::stdin(), OptionalActions::Now, &modes).map_err(Failure::failed)?;
        }
        let terminal = Self { output, before };
        terminal.output.text(ENTER)?;
        Ok(terminal)
    }

    /// Replaces what is shown: nothing scrolls, and nothing flickers.
    pub(super) fn show(&mut self, lines: &[String]) -> Result<(), Failure> {
        let mut text = String::from("\x1b[H");
        for (index, line) in lines.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "\r\n" });
            text.push_str(line);
            text.push_str("\x1b[K");
        }
        text.push_str("\x1b[J");
        self.output.text(&text)?;
        self.output.flush()
    }
}

impl Drop for Terminal<'_, '_> {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.output.text(LEAVE).and_then(|()| self.output.flush());
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// As the terminal says, else as the environment does, else the usual one.
pub(super) fn size() -> Size {
    let said = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    if let Some(size) = said {
        return Size { columns: usize::from(size.ws_col), rows: usize::from(size.ws_row) };
    }
    let number = |name| std::env::var(name).ok()?.parse().ok().filter(|number| *number > 0);
    Size { columns: number("COLUMNS").unwrap_or(USUAL.columns), rows: number("LINES").unwrap_or(USUAL.rows) }
}

/// The keys that are pressed, read by a thread that ends with the process. Nothing comes where there is no keyboard.
pub(super) fn keys() -> mpsc::Receiver<u8> {
    const AHEAD: usize = 16;
    let (sender, keys) = mpsc::channel(AHEAD);
    if io::stdin().is_terminal() {
        std::thread::spawn(move || {
            for byte in io::stdin().lock().bytes() {
                let Ok(byte) = byte else { return };
                if sender.blocking_send(byte).is_err() {
                    return;
                }
            }
        });
    }
    keys
}
