/*
 * One program of an exec, from its request to its end: see exec-helper.c for the frames. The process that calls
 * `serve_program` is the program's parent, and ends with it.
 */

#include "children.h"
#include "exec-protocol.h"

enum { MSG_CMSG_CLOEXEC = 0x40000000, POLLRDHUP = 0x2000 };
enum { WEXITED = 4, WCONTINUED = 8, WNOWAIT = 0x01000000, P_PID = 1, P_PGID = 2, CLD_EXITED = 1 };

/*
 * Receives a number that comes with `count` descriptors, close-on-exec: unix(7), SCM_RIGHTS. Returns how many bytes came:
 * 0 at the end of the file.
 */
static long receive(u32 *number, int *fds, u64 count) {
  struct parcel got = {0};
  pack(&got, sizeof got.control);
  long received = call(SYS_recvmsg, CONTROL, &got.message, MSG_CMSG_CLOEXEC, 0);
  if (received <= 0) return received;
  if (received != sizeof *number || got.control.length != ROOM_FOR(count)) return -EINVAL;
  *number = got.number;
  for (u64 i = 0; i < count; i++) fds[i] = got.control.fds[i];
  return received;
}

/* What ps(1) shows: the name and the only argument. */
static void rename_process(long *stack, const char *name) {
  call(SYS_prctl, PR_SET_NAME, name, 0, 0);
  if (stack[0] != 1) return;
  char *argument = (char *)stack[1];
  for (u64 left = length_of(argument), i = 0; i < left; i++) argument[i] = *name ? *name++ : 0;
}

static void send_frame(u32 kind, u32 value) {
  u32 frame[2] = {kind, value};
  call(SYS_write, CONTROL, frame, sizeof frame, 0);
}

/* In the child: executes the program, or reports the reason of the failure on stderr and in `status`. */
static void become(const struct request *r, const struct confinement *c, const u32 *groups, const char *cwd, char **argv, char **envp, int terminal, int status) {
  set_defaults();
  call(SYS_setsid, 0, 0, 0, 0);
  if (terminal >= 0) {
    call(SYS_ioctl, terminal, TIOCSCTTY, 0, 0);
    for (int fd = 0; fd < 3; fd++) call(SYS_dup3, terminal, fd, 0, 0);
  }
  const char *what = "cannot become the user for";
  const char *which = argv[0];
  long error = -call(SYS_setgroups, r->groups, groups, 0, 0);
  if (!error) error = -call(SYS_setgid, r->gid, 0, 0, 0);
  if (!error) error = -call(SYS_setuid, r->uid, 0, 0, 0);
  if (!error) error = reduce(c, 0);
  if (!error) {
    what = "cannot enter", which = cwd;
    error = enter(cwd);
  }
  u32 code = 126;
  if (!error) {
    what = "cannot run", which = argv[0];
    error = execute(argv, envp);
    if (error == ENOENT) code = 127;
  }
  print_error("exec", what, which, error);
  call(SYS_write, status, &code, sizeof code, 0);
  leave((int)code);
}

static struct relay input, output;

/*
 * Returns true when the program has ended, without reaping it. waitid(2): si_code, si_pid and si_status of siginfo_t.
 */
static int has_ended(int pid, int *status) {
  static u32 info[32];
  info[4] = 0;
  if (call6(SYS_waitid, P_PID, pid, (long)info, WEXITED | WNOHANG | WNOWAIT | WALL, 0, 0) < 0 || !info[4]) return 0;
  *status = (int)(info[2] == CLD_EXITED ? (info[6] & 0xff) << 8 : info[6] & 0x7f);
  return 1;
}

/*
 * Returns true while a process of the program's group lives as a child of the helper. Without WEXITED a zombie does not
 * count: linux/kernel/exit.c.
 */
static int has_group(int pid) {
  u32 info[32];
  return call6(SYS_waitid, P_PGID, pid, (long)info, WCONTINUED | WNOHANG | WNOWAIT | WALL, 0, 0) == 0;
}

/* Serves the program until its end has been reported, and then the rest of its group. */
static void serve(int pid, int children, int master) {
  int ended = 0, result = 0, control = 1, doomed = 0;
  input.from = 0, input.to = output.from = master, output.to = 1;
  if (master < 0) input.ended = output.ended = 1;
  for (;;) {
    int in_empty = input.at == input.length, out_empty = output.at == output.length;
    struct pollfd fds[] = {
      {children, POLLIN, 0},
      {control ? CONTROL : -1, POLLIN, 0},
      {in_empty && !input.ended ? 0 : -1, POLLIN, 0},
      {!output.ended || !in_empty ? master : -1, (short)((out_empty && !output.ended ? POLLIN : 0) | (in_empty ? 0 : POLLOUT)), 0},
      /* Always polled: without a reader it reports ERR. */
      {master < 0 ? -1 : 1, out_empty ? 0 : POLLOUT, 0},
    };
    /* A terminal that no process has open always reports HUP, so it is not polled without need. */
    if (fds[3].events == 0) fds[3].fd = -1;
    if (call6(SYS_ppoll, (long)fds, 5, 0, 0, 8, 0) < 0) continue;
    if (fds[1].revents) {
      u32 frame[2];
      if (!read_all(CONTROL, frame, sizeof frame)) {
        if (ended) return;
        control = 0, frame[0] = SIGNAL, frame[1] = SIGKILL;
      }
      if (frame[0] == SIGNAL && frame[1] == SIGKILL && !ended) doomed = 1;
      if (frame[0] == SIGNAL) call(SYS_kill, -pid, frame[1], 0, 0);
      else if (frame[0] == RESIZE && master >= 0) resize(master, frame[1] >> 16, frame[1] & 0xffff);
    }
    if (fds[4].revents & POLLERR) {
      /* The reader of the terminal is gone, which is a hang-up for the program. */
      call(SYS_close, master, 0, 0, 0);
      master = -1, input.at = input.length, input.ended = output.ended = 1, output.at = output.length;
      continue;
    }
    if (fds[3].revents & POLLHUP) input.at = input.length, input.ended = 1;
    if (fds[2].revents || (fds[3].revents & POLLOUT)) move(&input, fds[2].revents, fds[3].revents & POLLOUT);
    if (fds[3].revents & ~POLLOUT || fds[4].revents) move(&output, fds[3].revents & ~POLLOUT, fds[4].revents);
    if (fds[0].revents) {
      char news[1024];
      while (call(SYS_read, children, news, sizeof news, 0) > 0);
      each_child(0, pid);
      if (!ended && has_ended(pid, &result)) {
        ended = 1;
        if (doomed) sweep();
        send_frame(ENDED, (u32)result);
      }
      if (ended && (doomed || !has_group(pid))) return;
    }
  }
}

/*
 * Serves one program over CONTROL, and ends this process. `c` is in force already, except that this process has rights
 * besides.
 */
__attribute__((noreturn)) static void serve_program(const struct confinement *c) {
  u32 none, length;
  int streams[3];
  /* What the program leaves becomes a child of this process, which can count it and kill it. A fork does not inherit this. */
  call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0);
  if (receive(&none, streams, 3) <= 0) leave(126);
  /* They are not inherited from lxc-attach, which would keep them open to its own end. */
  for (int fd = 0; fd < 3; fd++) call(SYS_dup3, streams[fd], fd, 0, 0), call(SYS_close, streams[fd], 0, 0, 0);
  if (!read_all(CONTROL, &length, sizeof length) || length < sizeof(struct request) || length > MAX_REQUEST) leave(126);
  /* PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS; one byte more, which terminates the last string. */
  char *memory = (char *)call6(SYS_mmap, 0, length + 1, 3, 0x22, -1, 0);
  if ((u64)memory > -4096ul || !read_all(CONTROL, memory, length)) leave(126);
  const struct request *r = (const struct request *)memory;
  const u32 *groups = (const u32 *)(memory + sizeof *r);
  u64 fixed = sizeof *r + (u64)r->groups * 4;
  u64 pointers = ((u64)r->arguments + r->variables + 2) * sizeof(char *);
  if (r->groups > MAX_GROUPS || fixed > length || r->arguments == 0 || pointers > 8 * MAX_REQUEST) leave(126);
  char **argv = (char **)call6(SYS_mmap, 0, pointers, 3, 0x22, -1, 0);
  if ((u64)argv > -4096ul) leave(126);
  char **envp = argv + r->arguments + 1;
  char *at = memory + fixed, *end = memory + length;
  const char *cwd = at;
  for (u32 i = 0; i <= r->arguments + r->variables; i++) {
    if (at >= end) leave(126);
    if (i > 0 && i <= r->arguments) argv[i - 1] = at;
    if (i > r->arguments) envp[i - 1 - r->arguments] = at;
    at += length_of(at) + 1;
  }

  /* It was given up before it could start. A program that is given up from now on is killed. */
  struct pollfd given_up = {CONTROL, POLLRDHUP, 0};
  u64 at_once[2] = {0, 0};
  if (call6(SYS_ppoll, (long)&given_up, 1, (long)at_once, 0, 8, 0) > 0) leave(0);
  int master = -1, slave = -1, status[2];
  if (r->flags & FLAG_TERMINAL) {
    master = open_terminal(r->columns, r->rows, r->uid, &slave);
    if (master < 0) {
      print_error("exec", "cannot open a terminal for", argv[0], -master);
      send_frame(FAILED, 126);
      leave(126);
    }
  }
  if (call(SYS_pipe2, status, O_CLOEXEC, 0, 0) < 0) leave(126);
  u64 child = 1ul << (SIGCHLD - 1);
  long children = call(SYS_signalfd4, -1, &child, 8, O_CLOEXEC | O_NONBLOCK);
  if (children < 0) leave(126);
  int pid = (int)call(SYS_clone, SIGCHLD, 0, 0, 0);
  if (pid == 0) become(r, c, groups, cwd, argv, envp, slave, status[1]);
  /* It keeps CAP_KILL, because it may have to kill a program of another user. If this fails, it keeps all of them. */
  reduce(c, 1u << CAP_KILL);
  if (pid < 0) {
    send_frame(CROWDED, (u32)-pid);
    leave(126);
  }
  call(SYS_close, status[1], 0, 0, 0);
  if (slave >= 0) {
    call(SYS_close, slave, 0, 0, 0);
    call(SYS_fcntl, 0, F_SETFL, O_NONBLOCK, 0);
    call(SYS_fcntl, 1, F_SETFL, 1 | O_NONBLOCK, 0);
  } else {
    /* Only the program keeps these open: when it closes one, the other side must see that. */
    for (int fd = 0; fd < 3; fd++) call(SYS_close, fd, 0, 0, 0);
  }
  u32 failure;
  if (read_all(status[0], &failure, sizeof failure)) {
    if (master >= 0) output.from = master, output.to = 1, drain(&output, master);
    call(SYS_wait4, pid, 0, 0, 0);
    send_frame(FAILED, failure);
    leave((int)failure);
  }
  call(SYS_close, status[0], 0, 0, 0);
  send_frame(STARTED, (u32)pid);
  serve(pid, (int)children, master);
  /* PID 1 may not reap it. */
  call(SYS_wait4, pid, 0, WNOHANG | WALL, 0);
  if (master >= 0) drain(&output, master);
  leave(0);
  __builtin_unreachable();
}
