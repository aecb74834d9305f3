/* The terminal of a program: how it is opened, and how its bytes get to the host's descriptors 0 and 1 and back. */

enum { F_SETFL = 4 };
enum { TCGETS = 0x5401, TCSETS = 0x5402, TIOCSWINSZ = 0x5414, TIOCSPTLCK = 0x40045431, TIOCGPTPEER = 0x5441, IUTF8 = 040000 };

static void resize(int terminal, u32 columns, u32 rows) {
  unsigned short size[4] = {(unsigned short)rows, (unsigned short)columns, 0, 0};
  call(SYS_ioctl, terminal, TIOCSWINSZ, size, 0);
}

/* Opens a terminal of this size that belongs to the user. Returns its master, or a negative errno. */
static int open_terminal(u32 columns, u32 rows, u32 uid, int *slave) {
  int unlocked = 0;
  long master = call(SYS_openat, AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
  if (master < 0) master = call(SYS_openat, AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
  if (master < 0) return (int)master;
  call(SYS_ioctl, master, TIOCSPTLCK, &unlocked, 0);
  long peer = call(SYS_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
  if (peer < 0) return (int)peer;
  resize((int)master, columns, rows);
  /* The kernel's struct termios begins with the input flags. */
  u32 termios[16] = {0};
  if (call(SYS_ioctl, peer, TCGETS, termios, 0) == 0) termios[0] |= IUTF8, call(SYS_ioctl, peer, TCSETS, termios, 0);
  call(SYS_fchown, peer, uid, -1, 0);
  call(SYS_fcntl, master, F_SETFL, O_RDWR | O_NONBLOCK, 0);
  *slave = (int)peer;
  return (int)master;
}

/*
 * The bytes in one direction of a terminal. A buffer is either being filled or being emptied, so the two ends never
 * wait for each other.
 */
struct relay {
  int from, to, ended;
  u64 at, length;
  char bytes[16384];
};

/* Does one step. Does not wait if the descriptors are non-blocking. */
static void move(struct relay *r, int readable, int writable) {
  if (r->at == r->length && readable && !r->ended) {
    long n = call(SYS_read, r->from, r->bytes, sizeof r->bytes, 0);
    if (n > 0) r->at = 0, r->length = n, writable = 1;
    else if (n != -EAGAIN && n != -EINTR) r->ended = 1;
  }
  if (r->at < r->length && writable) {
    long n = call(SYS_write, r->to, r->bytes + r->at, r->length - r->at, 0);
    if (n > 0) r->at += n;
    else if (n != -EAGAIN && n != -EINTR) r->at = r->length = 0, r->ended = 1;
  }
}

/* Sends what the program left in the terminal, at the reader's pace, until it is empty or the reader is gone. */
static void drain(struct relay *output, int master) {
  call(SYS_fcntl, 1, F_SETFL, 1, 0);
  for (;;) {
    while (output->at < output->length && !output->ended) move(output, 0, 1);
    if (output->ended) return;
    long n = call(SYS_read, master, output->bytes, sizeof output->bytes, 0);
    if (n <= 0) return;
    output->at = 0, output->length = n;
  }
}
