/* What the keeper waits for. */
__attribute__((noreturn)) static void serve(void) {
  enum { NEW_CLIENT, HOLDER_GONE, FROM_HOLDER, NEW_INIT, INIT_SPEAKS, HELD_ERRORS, STREAM, INPUT_TAKEN = STREAM + 2, CLIENT };
  for (;;) {
    struct pollfd fds[CLIENT + CLIENTS];
    int running = holder >= 0;
    u64 due = log_parts(0);
    for (int i = 0; i < used; i++)
      if (clients[i].fd && (clients[i].due || clients[i].streams)) send_due(&clients[i]);
    /* Nobody else knows of a run that has not started. A client that has gone may be noticed only by what is sent to it. */
    if (!launcher && run_state.state <= STARTING) {
      if (holder < 0) leave(1);
      give_up();
    }
    fds[NEW_CLIENT] = (struct pollfd){LISTENER, POLLIN, 0};
    fds[HOLDER_GONE] = (struct pollfd){holder, POLLIN, 0};
    fds[FROM_HOLDER] = (struct pollfd){running ? KEEPER_END : -1, POLLIN, 0};
    fds[NEW_INIT] = (struct pollfd){running && config.starter ? ANNOUNCE : -1, POLLIN, 0};
    fds[INIT_SPEAKS] = (struct pollfd){announced, POLLIN, 0};
    fds[HELD_ERRORS] = (struct pollfd){errors, POLLIN, 0};
    u64 now = nanoseconds(CLOCK_MONOTONIC);
    for (int stream = 0; stream < 2; stream++) {
      u64 left = gathers[stream] > now ? gathers[stream] - now : 0;
      fds[STREAM + stream] = (struct pollfd){left ? -1 : sources[stream], POLLIN, 0};
      if (left && (!due || left < due)) due = left;
    }
    fds[INPUT_TAKEN] = (struct pollfd){writer && writer->input_length ? TO_PROGRAM : -1, POLLOUT, 0};
    for (int i = 0; i < used; i++) {
      struct client *c = &clients[i];
      short events = (short)((c->input_length ? 0 : POLLIN) | (c->out_at < c->out_length ? POLLOUT : 0));
      fds[CLIENT + i] = (struct pollfd){c->fd ? c->fd : -1, events, 0};
    }
    u64 wait[2] = {0, due};
    int polled = used;
    if (call6(SYS_ppoll, (long)fds, CLIENT + polled, due ? (long)wait : 0, 0, 8, 0) < 0) continue;
    for (int stream = 0; stream < 2; stream++)
      if (fds[STREAM + stream].revents) take_stream(stream);
    if (fds[HELD_ERRORS].revents) take_errors();
    if (announced >= 0 && fds[INIT_SPEAKS].revents) hear_init();
    if (fds[FROM_HOLDER].revents) hear_holder();
    if (fds[NEW_INIT].revents) meet_init();
    if (fds[HOLDER_GONE].revents) finish();
    if (fds[INPUT_TAKEN].revents && writer) feed(writer);
    for (int i = 0; i < polled; i++) {
      struct client *c = &clients[i];
      short revents = fds[CLIENT + i].revents;
      if (c->fd && revents & POLLOUT) send_due(c);
      if (c->fd && !c->input_length && revents & ~POLLOUT) listen_to(c);
      /* A writer whose connection is gone while the program does not read: what it has typed is lost, what it asks for is not. */
      if (c->fd && c->input_length && revents & (POLLERR | POLLHUP)) end_writing(c);
    }
    if (fds[NEW_CLIENT].revents) {
      int fd = lift(call(SYS_accept4, LISTENER, 0, 0, SOCK_CLOEXEC));
      if (fd >= 0) add_client(fd);
    }
    if (run_state.begun && run_state.state == CONFIGURED && !failure.step) begin_run();
    if (failure.step && holder < 0) finish();
  }
}
