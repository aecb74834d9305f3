/* The peers on run/keeper.sock: what they may send, and what they get. None of them can make the keeper wait or grow. */
#define CLIENTS 256
/* So many of them may read. The others are for those that start, adopt, stop and wait for a run. */
#define READERS 192
#define INPUT_MAX 4096
#define OUT_MAX 4608

/* docs/design/0015-keeper.md: what each version has brought. */
#define VERSION 2
enum { HELLO = 1, CONFIG, BEGIN, READ, WRITE, INPUT, END_INPUT, RESIZE, SYNC, KILL, STOP_WRITING };
enum { SAY_HELLO = 1, SAY_READY, SAY_STARTED, SAY_FAILED, SAY_DOWN, SAY_DATA, SAY_WRITER, SAY_TAKEN, SAY_SYNCED, SAY_EXIT, SAY_READING };
#define BIT(kind) (1u << (kind))

struct client {
  /* 0: free. */
  int fd;
  /* `greeted`: the version that both speak; 0 before HELLO. `deaf`: it takes nothing any more, but what it has sent counts. */
  u32 pid, greeted, deaf, streams, due, sync, taker;
  u64 at[2], since;
  u32 in_length, out_at, out_length;
  /* The payload of an INPUT frame that the program has not read yet. `stale`: bytes of frames for the boot before. */
  u32 input_at, input_length, stale;
  char in[8 + INPUT_MAX], out[OUT_MAX];
};

/* Memory that was never used costs nothing: only the first `used` are looked at. */
static struct client clients[CLIENTS];
static int used;
static struct client *writer, *launcher;

enum { CONFIGURED, STARTING, RUNNING, DOWN, ENDED };
static struct {
  /* `given_up`: nobody waits for the start any more, so whatever it has started by now is to end with it. */
  u32 state, program, boots, holder, status, rebooting, begun, doomed, given_up;
} run_state;

/* What a starter has printed, from its beginning on. It is of use if the start fails. */
#define ERROR_TEXT 4000
static struct {
  u32 step, error;
  char text[ERROR_TEXT];
} failure;
static u32 error_length;

static char exit_text[768];
static u32 exit_length;

static void kill_program(void);
static void end_input(void);

static void drop(struct client *c) {
  call(SYS_close, c->fd, 0, 0, 0);
  if (writer == c) writer = 0;
  if (launcher == c) launcher = 0;
  c->fd = 0;
  while (used && !clients[used - 1].fd) used--;
}

static void tell_all(u32 kind) {
  for (int i = 0; i < used; i++)
    if (clients[i].fd) clients[i].due |= BIT(kind);
}

static u32 readers(void) {
  u32 count = 0;
  for (int i = 0; i < used; i++) count += clients[i].fd && clients[i].streams;
  return count;
}

static struct client *add_client(int fd) {
  for (int i = 0; i < CLIENTS; i++) {
    struct client *c = &clients[i];
    if (c->fd) continue;
    u32 credentials[3] = {0, 0, 0}, length = sizeof credentials;
    call6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, (long)credentials, (long)&length, 0);
    c->fd = fd, c->pid = credentials[0], c->greeted = c->deaf = c->streams = c->sync = 0, c->due = BIT(SAY_HELLO);
    if (run_state.state == ENDED) c->due |= BIT(SAY_EXIT);
    c->in_length = c->out_at = c->out_length = c->input_length = c->stale = 0;
    if (i >= used) used = i + 1;
    return c;
  }
  u32 full[] = {SAY_READING, 8, 0, CLIENTS};
  call6(SYS_sendto, fd, (long)full, sizeof full, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
  call(SYS_close, fd, 0, 0, 0);
  return 0;
}

static void frame(struct client *c, u32 kind, const void *payload, u32 length) {
  u32 header[2] = {kind, length};
  copy(c->out + c->out_length, (char *)header, 8);
  copy(c->out + c->out_length + 8, payload, length);
  c->out_length += 8 + length;
  c->due &= ~BIT(kind);
}

/* Puts the next thing that the client is due into its empty buffer. */
static void fill(struct client *c) {
  u32 due = c->due;
  c->out_at = c->out_length = 0;
  if (due & BIT(SAY_HELLO)) {
    u32 hello[] = {VERSION, 1, run_state.state, (u32)call(SYS_getpid, 0, 0, 0, 0), run_state.program, run_state.boots, 1 + config.terminal, run_state.holder, run_state.rebooting};
    frame(c, SAY_HELLO, hello, sizeof hello);
  }
  if (due & BIT(SAY_READY)) frame(c, SAY_READY, 0, 0);
  if (due & BIT(SAY_STARTED)) frame(c, SAY_STARTED, &run_state.program, 12);
  if (due & BIT(SAY_FAILED)) frame(c, SAY_FAILED, &failure, 8 + error_length);
  if (due & BIT(SAY_DOWN)) frame(c, SAY_DOWN, &run_state.status, 8);
  if (due & BIT(SAY_WRITER)) {
    struct {
      u32 granted, pid;
      u64 since;
    } held = {writer == c, writer ? writer->pid : 0, writer ? writer->since : 0};
    frame(c, SAY_WRITER, &held, sizeof held);
  }
  if (due & BIT(SAY_TAKEN)) frame(c, SAY_TAKEN, &c->taker, 4);
  if (due & BIT(SAY_READING)) {
    u32 reading[] = {c->streams != 0, READERS};
    frame(c, SAY_READING, reading, sizeof reading);
  }
  if (due & BIT(SAY_SYNCED)) frame(c, SAY_SYNCED, &c->sync, 4);
  for (int stream = 0; stream < 2 && !c->out_length; stream++) {
    if (!(c->streams & (1u << stream))) continue;
    if (c->at[stream] < oldest(stream)) c->at[stream] = oldest(stream);
    if (c->at[stream] == rings[stream].end) continue;
    u32 head[] = {SAY_DATA, 0, (u32)stream, 0};
    copy(c->out, (char *)head, sizeof head), copy(c->out + 16, (char *)&c->at[stream], 8);
    u64 n = recall(stream, c->at[stream], c->out + 24, OUT_MAX - 24);
    ((u32 *)c->out)[1] = (u32)n + 16;
    c->at[stream] += n, c->out_length = 24 + (u32)n;
  }
  if (!c->out_length && due & BIT(SAY_EXIT)) frame(c, SAY_EXIT, exit_text, exit_length);
}

/* Sends what the socket takes now. One that takes nothing any more is read to its end: its last frame may be a KILL. */
static void send_due(struct client *c) {
  while (!c->deaf) {
    if (c->out_at == c->out_length) fill(c);
    if (c->out_at == c->out_length) return;
    long n = call6(SYS_sendto, c->fd, (long)(c->out + c->out_at), c->out_length - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
    if (n == -EINTR) continue;
    if (n == -EAGAIN) return;
    if (n < 0) c->deaf = 1;
    else c->out_at += (u32)n;
  }
  if (launcher == c) launcher = 0;
  c->due = c->streams = c->out_at = c->out_length = 0;
}

/* Gives the program what it takes now of the writer's input. */
static void feed(struct client *c) {
  if (c == writer) {
    long n = call(SYS_write, TO_PROGRAM, c->in + 8 + c->input_at, c->input_length - c->input_at, 0);
    if (n == -EAGAIN || n == -EINTR) return;
    /* A program that has closed its input loses it. */
    c->input_at = n > 0 ? c->input_at + (u32)n : c->input_length;
    if (c->input_at < c->input_length) return;
  }
  c->input_at = c->input_length = 0;
}

/* Nothing runs that could read: what is typed now is for the boot before. */
static int between_boots;

/* What the writer has typed by now is for the boot before: what waits here, and what its connection holds. */
static void forget_input(void) {
  if (!writer) return;
  u32 unread = 0;
  call(SYS_ioctl, writer->fd, FIONREAD, &unread, 0);
  writer->input_at = writer->input_length = 0;
  writer->stale = writer->in_length + unread;
}

static void end_writing(struct client *c) {
  if (writer == c) writer = 0;
  c->input_at = c->input_length = 0;
}

static void begin_writing(struct client *c, u32 take) {
  c->due |= BIT(SAY_WRITER);
  if (writer == c || (writer && !take)) return;
  if (writer) writer->taker = c->pid, writer->due |= BIT(SAY_TAKEN), writer->input_length = writer->input_at = 0;
  writer = c, c->since = nanoseconds(CLOCK_REALTIME) / 1000000;
}

/* Follows one whole frame. Returns false if the peer breaks the rules. */
static int obey(struct client *c, u32 kind, u32 length, const u32 *payload) {
  if (!c->greeted) {
    if (kind == HELLO && length == 4) c->greeted = payload[0] < VERSION ? payload[0] : VERSION;
    return (int)c->greeted;
  }
  switch (kind) {
    case BEGIN:
      if (c != launcher || (length && length != 8)) return 0;
      if (length) set_owners(payload[0], payload[1]);
      run_state.begun = 1;
      return 1;
    case READ:
      if (length != 8) return 0;
      c->streams = c->streams || readers() < READERS ? payload[0] & 3 : 0;
      if (c->greeted >= 2) c->due |= BIT(SAY_READING);
      else if (!c->streams) return !payload[0];
      for (int stream = 0; stream < 2; stream++) {
        u64 end = rings[stream].end, kept = end - oldest(stream);
        c->at[stream] = end - (payload[1] < kept ? payload[1] : kept);
      }
      return 1;
    case WRITE:
      if (length != 4) return 0;
      begin_writing(c, payload[0]);
      return 1;
    case INPUT:
      /* Not an error of a writer that has just lost its right. */
      c->input_at = 0, c->input_length = c == writer && !c->stale && !between_boots ? length : 0;
      if (c->input_length) feed(c);
      return 1;
    case END_INPUT:
      if (length) return 0;
      if (c == writer) end_input();
      return 1;
    case RESIZE:
      if (length != 8 || payload[0] > 65535 || payload[1] > 65535) return 0;
      if (config.terminal) resize_terminal(payload[0], payload[1]);
      return 1;
    case SYNC:
      if (length != 4) return 0;
      take_all(), log_parts(1);
      c->sync = payload[0], c->due |= BIT(SAY_SYNCED);
      return 1;
    case KILL:
      if (length) return 0;
      run_state.doomed = 1;
      kill_program();
      return 1;
    case STOP_WRITING:
      if (length) return 0;
      if (c == writer) writer = 0;
      return 1;
  }
  return 0;
}

/* Reads once from a client, and follows a frame that is whole. */
static void listen_to(struct client *c) {
  u32 *header = (u32 *)c->in, want = c->in_length < 8 ? 8 : 8 + header[1];
  long n = call6(SYS_recvfrom, c->fd, (long)(c->in + c->in_length), want - c->in_length, MSG_DONTWAIT, 0, 0);
  if (n == -EAGAIN || n == -EINTR) return;
  if (n <= 0) {
    drop(c);
    return;
  }
  c->in_length += (u32)n;
  if (c->in_length < 8) return;
  if (header[1] > INPUT_MAX) drop(c);
  else if (c->in_length == 8 + header[1]) {
    u32 size = c->in_length;
    c->in_length = 0;
    if (!obey(c, header[0], header[1], header + 2)) drop(c);
    else c->stale -= size < c->stale ? size : c->stale;
  }
}
