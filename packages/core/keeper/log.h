/*
 * The log: entries in the format of docs/design/0015-keeper.md, in files that are bounded by size and number. A full or
 * missing disk loses entries and counts them, and nothing here waits for it to have room.
 */
#define PART 8192
#define TIME 30
#define BATCH 16384
/* How long a line that has not ended is held back, in nanoseconds. */
#define IDLE 100000000ul

static const char *const NAME = "output.log";

static struct {
  int folder, file;
  /* Device and inode of the file. */
  u64 device, inode;
  u64 size, latest;
  /* Since the last entry that was written. */
  u64 lost, lost_bytes;
  long error;
  u64 all_lost, all_lost_bytes;
  /* What was printed before the batch, and in it, in bytes with newlines. */
  u64 before, within;
  u64 length;
  char batch[BATCH];
} output = {.folder = -1, .file = -1};

/* A line of one stream that has not ended yet. */
static struct {
  u64 since;
  u32 length;
  char bytes[PART];
} lines[2];

/* Days since 1970 as a date: the algorithm works on years that begin in March. */
static char *put_time(char *to, u64 time) {
  u64 seconds = time / 1000000000ul, rest = seconds % 86400, days = seconds / 86400 + 719468;
  u64 era = days / 146097, of_era = days % 146097;
  u64 year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  u64 of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
  u64 day = of_year - (153 * month + 2) / 5 + 1;
  month = month < 10 ? month + 3 : month - 9;
  to = put_digits(to, year + era * 400 + (month <= 2), 4), *to++ = '-';
  to = put_digits(to, month, 2), *to++ = '-';
  to = put_digits(to, day, 2), *to++ = 'T';
  to = put_digits(to, rest / 3600, 2), *to++ = ':';
  to = put_digits(to, rest / 60 % 60, 2), *to++ = ':';
  to = put_digits(to, rest % 60, 2), *to++ = '.';
  to = put_digits(to, time % 1000000000ul, 9), *to++ = 'Z';
  return to;
}

/* The name of a file: 0 is the newest. */
static const char *file_name(u32 number, char *buffer) {
  struct text name = {buffer, buffer + 31};
  add(&name, NAME);
  if (number) add(&name, "."), add_number(&name, number);
  *name.at = 0;
  return buffer;
}

/* More words than struct stat has anywhere; the first two are device and inode: asm/stat.h. */
#define FACTS 32

/*
 * Whether the newest file has lost its name: somebody has removed it, or has moved it away as logrotate(8) does. What is
 * written to it from now on, nobody would find.
 */
static int is_astray(void) {
  u64 facts[FACTS];
  long error = -call(SYS_newfstatat, output.folder, NAME, facts, AT_SYMLINK_NOFOLLOW);
  return error ? error == ENOENT : facts[0] != output.device || facts[1] != output.inode;
}

/* Opens the newest file. A host that crashed may have left it with a part of an entry, which is ended. */
static long open_log(void) {
  int file = lift(call(SYS_openat, output.folder, NAME, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file < 0) return -file;
  long size = call(SYS_lseek, file, 0, SEEK_END, 0);
  char last = '\n';
  output.file = file, output.size = size < 0 ? 0 : (u64)size;
  u64 facts[FACTS];
  if (call(SYS_fstat, file, facts, 0, 0) == 0) output.device = facts[0], output.inode = facts[1];
  if (output.size) call(SYS_pread64, file, &last, 1, output.size - 1);
  if (last != '\n' && call(SYS_write, file, "\n", 1, 0) == 1) output.size++;
  return 0;
}

/* Begins a new file, and gives the others the next numbers. */
static long rotate(void) {
  char from[32], to[32];
  for (u32 i = config.log_files - 1; i > 0; i--) {
    long error = -call(SYS_renameat, output.folder, file_name(i - 1, from), output.folder, file_name(i, to));
    if (error > 0 && (error != ENOENT || i == 1)) return error;
  }
  if (config.log_files == 1) {
    long error = -call(SYS_unlinkat, output.folder, NAME, 0, 0);
    if (error > 0) return error;
  }
  call(SYS_close, output.file, 0, 0, 0);
  output.file = -1;
  return open_log();
}

static void count_lost(const char *at, const char *end, long error) {
  while (at < end) {
    const char *line = at;
    while (at < end && *at++ != '\n');
    /* After the time, the stream and the tag. */
    const char *content = line + 31;
    while (content < at && *content++ != ' ');
    content += 2;
    output.lost++, output.all_lost++;
    if (content < at) output.lost_bytes += (u64)(at - content) - 1, output.all_lost_bytes += (u64)(at - content) - 1;
  }
  output.error = error;
}

static u64 put_untimed(char *to, const char *stream, char tag, const char *content, u64 length);

/* A notice that says what was printed before the batch, at the time of its first entry. */
static u64 put_count(char *to) {
  char content[40];
  struct text t = {content, content + sizeof content};
  add(&t, "at "), add_number(&t, output.before);
  u64 size = put_untimed(to, "keeper", 'F', content, (u64)(t.at - content));
  copy(to, output.batch, TIME);
  return size;
}

/* A new file begins with the count, for readers that find no older one. Without it, they cannot tell. */
static void begin_count(void) {
  char line[128];
  u64 size = put_count(line);
  long n = call(SYS_write, output.file, line, size, 0);
  if (n == (long)size) output.size += size;
  else if (n > 0) call(SYS_ftruncate, output.file, output.size, 0, 0);
}

/* Writes whole entries; returns the error and how many bytes are in the file. */
static long write_entries(const char *at, u64 length, u64 *written) {
  *written = 0;
  int anew = output.file >= 0 && is_astray();
  if (anew) call(SYS_close, output.file, 0, 0, 0), output.file = -1;
  long error = output.file < 0 ? open_log() : 0;
  if (!error && output.size && output.size + length > config.log_size) error = rotate(), anew = 1;
  if (error) return error;
  if (anew && config.counted) begin_count();
  while (*written < length) {
    long n = call(SYS_write, output.file, at + *written, length - *written, 0);
    if (n == -EINTR) continue;
    if (n <= 0) {
      error = n ? -n : ENOSPC;
      /* The part of an entry is cut off. */
      u64 whole = *written;
      while (whole && at[whole - 1] != '\n') whole--;
      if (whole != *written) call(SYS_ftruncate, output.file, output.size - (*written - whole), 0, 0);
      output.size -= *written - whole, *written = whole;
      return error;
    }
    *written += (u64)n, output.size += (u64)n;
  }
  return 0;
}

/* Puts an entry without its time, which has TIME bytes. */
static u64 put_untimed(char *to, const char *stream, char tag, const char *content, u64 length) {
  char *at = to + TIME;
  *at++ = ' ';
  while (*stream) *at++ = *stream++;
  *at++ = ' ', *at++ = tag, *at++ = ' ';
  copy(at, content, length);
  at += length, *at++ = '\n';
  return (u64)(at - to);
}

static u64 put_entry(char *to, const char *stream, char tag, const char *content, u64 length) {
  u64 now = nanoseconds(CLOCK_REALTIME);
  if (now > output.latest) output.latest = now;
  put_time(to, output.latest);
  return put_untimed(to, stream, tag, content, length);
}

static void write_batch(void) {
  u64 written, length = output.length;
  output.length = 0;
  if (!length) return;
  if (output.lost) {
    char content[80], notice[300];
    struct text t = {content, content + sizeof content};
    add(&t, "lost "), add_number(&t, output.lost), add(&t, " "), add_number(&t, output.lost_bytes), add(&t, " "), add_number(&t, (u64)output.error);
    u64 size = put_untimed(notice, "keeper", 'F', content, (u64)(t.at - content));
    /* Of the entry that follows: times never go back. */
    copy(notice, output.batch, TIME);
    if (config.counted) size += put_count(notice + size);
    if (write_entries(notice, size, &written) == 0) output.lost = output.lost_bytes = 0;
    else {
      count_lost(output.batch, output.batch + length, output.error);
      return;
    }
  }
  long error = write_entries(output.batch, length, &written);
  if (error) count_lost(output.batch + written, output.batch + length, error);
}

/* Writes what has been collected. */
static void flush_log(void) {
  write_batch();
  output.before += output.within, output.within = 0;
}

static void log_entry(const char *stream, char tag, const char *content, u64 length) {
  if (output.length + length + 64 > BATCH) flush_log();
  output.length += put_entry(output.batch + output.length, stream, tag, content, length);
}

static void notice(const char *content) {
  log_entry("keeper", 'F', content, length_of(content));
}

/* An entry of what the program printed. */
static void log_output(const char *stream, char tag, const char *content, u64 length) {
  log_entry(stream, tag, content, length);
  output.within += length + (tag == 'F');
}

static const char *stream_name(int stream) {
  return stream ? "stderr" : config.terminal || config.console ? "console" : "stdout";
}

/* Logs bytes of a stream, line by line. */
static void log_bytes(int stream, const char *bytes, u64 length) {
  for (u64 i = 0; i < length;) {
    u64 n = 0, room = PART - lines[stream].length;
    while (n < length - i && n < room && bytes[i + n] != '\n') n++;
    if (!lines[stream].length) lines[stream].since = nanoseconds(CLOCK_MONOTONIC);
    copy(lines[stream].bytes + lines[stream].length, bytes + i, n);
    lines[stream].length += (u32)n, i += n;
    int ended = i < length && bytes[i] == '\n';
    if (!ended && lines[stream].length < PART) return;
    log_output(stream_name(stream), ended ? 'F' : 'P', lines[stream].bytes, lines[stream].length);
    lines[stream].length = 0, i += (u64)ended;
  }
}

/* Logs the parts of lines that have waited long enough, or all. Returns after how many nanoseconds another has; 0: none waits. */
static u64 log_parts(int all) {
  u64 now = nanoseconds(CLOCK_MONOTONIC), soonest = 0;
  for (int i = 0; i < 2; i++) {
    if (!lines[i].length) continue;
    u64 due = lines[i].since + IDLE;
    if (all || due <= now) log_output(stream_name(i), 'P', lines[i].bytes, lines[i].length), lines[i].length = 0;
    else if (!soonest || due - now < soonest) soonest = due - now;
  }
  flush_log();
  return soonest;
}
