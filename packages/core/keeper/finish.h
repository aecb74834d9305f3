/* The end of the keeper. */

/* The run is over: records that, tells everybody, and ends. */
__attribute__((noreturn)) static void finish(void) {
  hear_holder();
  if (!ending.known && run_state.program) read_status();
  ending.failed = run_state.boots == 0 || run_state.given_up;
  /* Nobody else knows of what the holder has started and not told. */
  if (ending.failed) sweep();
  take_all(), log_parts(1);
  if (ending.failed) fail(STEP_START, 0);
  /* One that could not take over a run does not know its end. */
  if (ending.file >= 0 && run_state.state > CONFIGURED) notice("end");
  flush_log();
  run_state.state = ENDED;
  if (ending.file >= 0) write_exit();
  else exit_text[0] = '{', exit_text[1] = '}', exit_length = 2;
  tell_all(SAY_EXIT);
  call(SYS_close, LISTENER, 0, 0, 0);
  u64 until = nanoseconds(CLOCK_MONOTONIC) + 2000000000ul;
  for (;;) {
    struct pollfd fds[CLIENTS];
    int waiting = 0;
    int polled = used;
    for (int i = 0; i < polled; i++) {
      if (clients[i].fd) send_due(&clients[i]);
      int unsent = clients[i].fd && (clients[i].due & BIT(SAY_EXIT) || clients[i].out_at < clients[i].out_length);
      fds[i] = (struct pollfd){unsent ? clients[i].fd : -1, POLLOUT, 0};
      waiting += unsent;
    }
    u64 now = nanoseconds(CLOCK_MONOTONIC), wait[2] = {(until - now) / 1000000000ul, (until - now) % 1000000000ul};
    if (!waiting || now >= until || call6(SYS_ppoll, (long)fds, polled, (long)wait, 0, 8, 0) == 0) leave(0);
  }
}
