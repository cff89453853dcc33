/* Runs a program as an old kernel or a machine without a clock would, for scripts/prove-static.sh. Linux on x86_64.
 *
 *     confine [--calls-below N [--error enosys|eperm]] [--clock-1970-while FILE] PROGRAM ARGUMENT…
 *
 * --calls-below N: system calls numbered N and above fail (312 is the first that Linux 3.2 has not).
 * --clock-1970-while FILE: as long as FILE is there, the wall clock counts from 1970. Works for static programs, where a
 * preloaded library cannot: the kernel's answer is changed on its way (ptrace), and the program is not told of the vDSO. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;

static void fail(const char *what) {
    perror(what);
    exit(125);
}

static void pass_on(int number) {
    if (child > 0) kill(child, number);
}

static void filter(unsigned below, int error, int trace_clock) {
    struct sock_filter code[16];
    unsigned short n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    if (trace_clock) {
        int calls[] = {SYS_clock_gettime, SYS_gettimeofday, SYS_time};
        for (int i = 0; i < 3; i++) {
            code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
            code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
        }
    }
    if (below) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, below, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {n, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) fail("seccomp");
}

/* The program finds the vDSO by an entry on its stack, behind arguments and environment. Without it, it asks the kernel. */
static void hide_vdso(pid_t pid) {
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, pid, 0, &regs)) return;
    unsigned long at = regs.rsp;
    at += 8 * (1 + ptrace(PTRACE_PEEKDATA, pid, at, 0) + 1);
    while (ptrace(PTRACE_PEEKDATA, pid, at, 0)) at += 8;
    at += 8;
    for (long kind; (kind = ptrace(PTRACE_PEEKDATA, pid, at, 0)) != AT_NULL; at += 16)
        if (kind == AT_SYSINFO_EHDR) ptrace(PTRACE_POKEDATA, pid, at, AT_IGNORE);
}

/* At the end of a call that told the time: takes off what lies between 1970 and the start. */
static void turn_back(pid_t pid, const char *file, time_t start) {
    struct user_regs_struct regs;
    if (access(file, F_OK) || ptrace(PTRACE_GETREGS, pid, 0, &regs) || (long)regs.rax < 0) return;
    unsigned long at = 0;
    if (regs.orig_rax == SYS_clock_gettime && (regs.rdi == CLOCK_REALTIME || regs.rdi == CLOCK_REALTIME_COARSE)) at = regs.rsi;
    if (regs.orig_rax == SYS_gettimeofday) at = regs.rdi;
    if (regs.orig_rax == SYS_time) {
        regs.rax -= start;
        ptrace(PTRACE_SETREGS, pid, 0, &regs);
        at = regs.rdi;
    }
    if (at) ptrace(PTRACE_POKEDATA, pid, at, ptrace(PTRACE_PEEKDATA, pid, at, 0) - start);
}

static int trace(const char *file) {
    time_t start = time(NULL) - 20; /* some seconds after the boot */
    int status;
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                   PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    if (waitpid(child, &status, 0) != child || ptrace(PTRACE_SETOPTIONS, child, 0, options)) fail("ptrace");
    ptrace(PTRACE_CONT, child, 0, 0);
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) fail("waitpid");
        if (WIFEXITED(status) && pid == child) return WEXITSTATUS(status);
        if (WIFSIGNALED(status) && pid == child) return 128 + WTERMSIG(status);
        if (!WIFSTOPPED(status)) continue;
        int number = WSTOPSIG(status), event = status >> 16;
        if (event == PTRACE_EVENT_SECCOMP) {
            ptrace(PTRACE_SYSCALL, pid, 0, 0);
            continue;
        }
        if (number == (SIGTRAP | 0x80)) turn_back(pid, file, start);
        if (event == PTRACE_EVENT_EXEC) hide_vdso(pid);
        int ours = event || number == (SIGTRAP | 0x80) || number == SIGSTOP || number == SIGTRAP;
        ptrace(PTRACE_CONT, pid, 0, ours ? 0 : number);
    }
}

int main(int count, char **arguments) {
    unsigned below = 0;
    int error = ENOSYS, at = 1;
    const char *clock = NULL;
    for (; at + 1 < count && !strncmp(arguments[at], "--", 2); at += 2) {
        if (!strcmp(arguments[at], "--calls-below")) below = atoi(arguments[at + 1]);
        else if (!strcmp(arguments[at], "--error")) error = strcmp(arguments[at + 1], "eperm") ? ENOSYS : EPERM;
        else if (!strcmp(arguments[at], "--clock-1970-while")) clock = arguments[at + 1];
        else return fprintf(stderr, "confine: unknown argument %s\n", arguments[at]), 2;
    }
    if (at >= count) return fprintf(stderr, "confine: no program\n"), 2;
    if (!clock) {
        filter(below, error, 0);
        execvp(arguments[at], arguments + at);
        fail(arguments[at]);
    }
    child = fork();
    if (child < 0) fail("fork");
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        filter(below, error, 1);
        execvp(arguments[at], arguments + at);
        fail(arguments[at]);
    }
    struct sigaction action = {.sa_handler = pass_on};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return trace(clock);
}
