/* How a run begins: with a holder that is started, or with that of a keeper that is gone. */

/* In the child of the keeper: ends with it. It has both ends of its channel, so it would not hear that its keeper is gone. */
static void end_with(long keeper) {
  call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
  if (call(SYS_getppid, 0, 0, 0, 0) != keeper) leave(127);
}

/* A holder that nobody has on record would run a program that nobody finds. */
static void await_record(long keeper) {
  u32 word = 0;
  end_with(keeper);
  while (call6(SYS_recvfrom, CHANNEL, (long)&word, sizeof word, 0, 0, 0) != sizeof word || word != GO_ON);
  call(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0);
}

/* In the child of the keeper: becomes the holder, or the starter. */
__attribute__((noreturn)) static void become_holder(const int *ends, int told, long keeper) {
  int first = config.starter ? STREAMS : 0;
  if (config.starter != STARTER_WAITS) await_record(keeper);
  for (int fd = 0; fd < 3; fd++) call(SYS_dup3, ends[fd], first + fd, 0, 0);
  if (config.starter) call(SYS_dup3, told, 2, 0, 0);
  call(SYS_close_range, CONNECTION, GIVEN_ANNOUNCE, 0, 0);
  if (config.starter) call(SYS_dup3, GIVEN_FILE, 3, 0, 0);
  call(SYS_close, GIVEN_FILE, 0, 0, 0);
  if (!config.starter) {
    call(SYS_close_range, PROGRAM, HANDED - 1, 0, 0);
    call(SYS_close_range, HANDED + config.handed, ~0u, 0, 0);
    hold();
  }
  /* All but the program's input, which nobody could close for the starter. */
  for (int fd = CHANNEL; fd <= ERRORS; fd++)
    if (fd != TO_PROGRAM || config.terminal) call(SYS_fcntl, fd, F_SETFD, 0, 0);
  set_defaults();
  if (config.starter == STARTER_WAITS) end_with(keeper);
  struct held failed = {HELD_FAILED, STEP_RUN, (u32)-call(SYS_execve, "/proc/self/fd/17", config.argv, config.envp, 0), 0, 0, 0};
  tell(&failed);
  leave(127);
  __builtin_unreachable();
}

/* Neither end may make anybody wait. */
static long open_errors(int *told) {
  long error = lift_both(call(SYS_pipe2, told, O_CLOEXEC | O_NONBLOCK, 0, 0), told);
  if (error) return error;
  place(told[0], ERRORS);
  errors = ERRORS;
  return 0;
}

static void start_holder(void) {
  int ends[3], channel[2], told[2] = {-1, -1};
  long file = reserve("exit.new", O_TRUNC), status = reserve("status", O_TRUNC), record = reserve("holder", O_TRUNC);
  if (file < 0 || status < 0 || record < 0) {
    fail(STEP_RESERVE, file < 0 ? -file : status < 0 ? -status : -record);
    return;
  }
  ending.file = (int)file, ending.record = (int)record;
  place(status, STATUS);
  long error = lift_both(call(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), channel);
  if (!error) {
    place(channel[0], CHANNEL), place(channel[1], KEEPER_END);
    error = open_streams(ends);
    find_sources();
  }
  if (!error && config.starter) error = open_errors(told);
  if (error) {
    fail(STEP_STREAMS, error);
    return;
  }
  /* Until the program runs: give_up(). */
  call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0);
  long keeper = call(SYS_getpid, 0, 0, 0, 0);
  int pidfd = -1;
  /* CLONE_PIDFD */
  long pid = call6(SYS_clone, SIGCHLD | 0x1000, 0, (long)&pidfd, 0, 0, 0);
  if (pid == 0) become_holder(ends, told[1], keeper);
  if (told[1] >= 0) call(SYS_close, told[1], 0, 0, 0);
  /* Of a terminal the keeper has both ends open: else its master reports a hang-up whenever no program has it open. */
  for (int i = 0; i < 3 && !config.terminal; i++) call(SYS_close, ends[i], 0, 0, 0);
  /* The keeper needs its own end alone. The holder keeps both, for a keeper that takes over. */
  call(SYS_close, CHANNEL, 0, 0, 0);
  if (config.handed) call(SYS_close_range, HANDED, HANDED + config.handed - 1, 0, 0);
  if (pid < 0) {
    fail(STEP_START, -pid);
    return;
  }
  holder = lift(pidfd), run_state.holder = (u32)pid;
  record_run();
}

/* At BEGIN. */
static void begin_run(void) {
  run_state.state = STARTING;
  if (config.starter != STARTER_WAITS) start_holder();
  if (failure.step) return;
  notice("start");
  flush_log();
  answer_holder(GO_ON);
}

/* Takes over what a holder holds for a keeper that is gone. */
static void adopt(void) {
  long pidfd = lift(call(SYS_pidfd_open, config.adopt, 0, 0, 0)), error = pidfd < 0 ? -pidfd : 0;
  for (int fd = KEEPER_END; fd <= ERRORS && !error; fd++) {
    if (fd == PROGRAM) continue;
    int got = lift(call(SYS_pidfd_getfd, pidfd, fd, 0, 0));
    if (got >= 0) place(got, fd);
    else if (fd <= STATUS) error = -got;
  }
  /* To empty the first one would give its space back. */
  long file = error ? 0 : reserve("exit.new", 0), record = error ? 0 : reserve("holder", 0);
  if (error || file < 0 || record < 0) {
    if (pidfd >= 0) call(SYS_close, pidfd, 0, 0, 0);
    fail(STEP_START, error ? error : file < 0 ? -file : -record);
    return;
  }
  ending.record = (int)record;
  ending.file = (int)file, holder = (int)pidfd, run_state.holder = config.adopt;
  if (config.terminal) call(SYS_ioctl, TO_PROGRAM, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
  find_sources();
  if (call(SYS_fcntl, ERRORS, F_GETFD, 0, 0) >= 0) errors = ERRORS;
  if (config.program) set_program(config.program);
  run_state.state = config.boots ? RUNNING : STARTING, run_state.boots = config.boots;
  record_run();
  notice("resume");
  flush_log();
}
