/*
 * What a keeper is told to do: the payload of the CONFIG frame. It begins with `u32 1`, the version; then come entries of
 * `u32 key, u32 length`, the value, and zeros up to a multiple of four. An unknown key is refused, unless its highest bit
 * is set. Strings end with a NUL.
 *
 *  1 ARGUMENTS  strings: the program and its arguments      2 VARIABLES  strings: its environment
 *  3 FOLDER     its working folder, a string                4 TERMINAL   u32 columns, u32 rows: instead of pipes
 *  5 OWNER      u32 uid, u32 gid of the streams             6 INPUT      u32 1: hold its standard input open
 *  7 LOG        u64 size of a file, u32 files, u32 0        8 CGROUP     a folder to make and enter; repeated
 *  9 STARTER    u32 1: the program is a holder itself, at descriptor 7, see holder.h. 2: and it starts with the keeper, and waits
 *               for BEGIN by itself
 * 10 ADOPT      u32 pid of a holder, u32 boots, u32 pid of the program: take over from a keeper that is gone
 * 0x80000001 COUNTED  u64: how many bytes of output there were before; the log tells the count where it begins anew
 * 11 OOM_KILLS, 12 MEMORY_PEAK, 13 CPU_NANOSECONDS, 14 CPU_MICROSECONDS   a file that tells; 11 may be repeated
 * 15 HANDED_OVER u32 count: descriptors from HANDED on for the program   16 CONSOLE u32 1: its pipes are those of a console
 */
enum {
  ARGUMENTS = 1, VARIABLES, FOLDER, TERMINAL, OWNER, INPUT_OPEN, LOG, CGROUP, STARTER, ADOPT, OOM_KILLS, MEMORY_PEAK, CPU_NANOSECONDS, CPU_MICROSECONDS,
  HANDED_OVER, CONSOLE,
};
#define COUNTED 0x80000001u
enum { STARTER_WAITS = 2 };

#define MAX_CONFIG (8u << 20)
#define MAX_OOM_FILES 4
#define MAX_HANDED 256
#define MIN_LOG (64u << 10)

static struct {
  char **argv, **envp;
  const char *folder, *memory_peak, *cpu_nanoseconds, *cpu_microseconds, *oom_kills[MAX_OOM_FILES];
  u32 terminal, columns, rows, owned, uid, gid, input, starter, adopt, boots, program, oom_files, log_files, handed, console, counted;
  u64 log_size, count;
  /* The entries, for those that are repeated. */
  char *entries;
  u32 length;
} config = {.folder = "/", .log_files = 4, .log_size = 16u << 20};

struct entry {
  u32 key, length;
  char value[];
};

/* The entry at an offset, which is moved to the next one; 0 at the end, or if the rest is none. */
static struct entry *next_entry(u32 *at) {
  if (config.length - *at < 8) return 0;
  struct entry *e = (struct entry *)(config.entries + *at);
  if (e->length > config.length - *at - 8) return 0;
  u32 whole = (e->length + 11) & ~3u;
  *at = whole > config.length - *at ? config.length : *at + whole;
  return e;
}

/* The strings of an entry as a list that ends with 0; 0 if they do not end. */
static char **strings(struct entry *e) {
  u64 count = 1;
  if (e->length && e->value[e->length - 1]) return 0;
  for (u32 i = 0; i < e->length; i++) count += !e->value[i];
  char **list = (char **)call6(SYS_mmap, 0, (long)(count * sizeof *list), 3, 0x22, -1, 0);
  if ((u64)list > -4096ul) return 0;
  u64 n = 0;
  for (u32 i = 0; i < e->length; i += (u32)length_of(e->value + i) + 1) list[n++] = e->value + i;
  return list;
}

static int is_string(struct entry *e) {
  return e->length && !e->value[e->length - 1];
}

/* Returns true if the configuration is whole. */
static int read_config(char *payload, u32 length) {
  static char *none[] = {0};
  if (length < 4 || *(u32 *)payload != 1) return 0;
  config.entries = payload + 4, config.length = length - 4, config.envp = none;
  struct entry *e;
  u32 at = 0;
  while ((e = next_entry(&at))) {
    u32 *number = (u32 *)e->value;
    switch (e->key) {
      case ARGUMENTS: config.argv = strings(e); break;
      case VARIABLES: config.envp = strings(e); break;
      case FOLDER:
        if (!is_string(e)) return 0;
        config.folder = e->value;
        break;
      case TERMINAL:
        if (e->length != 8) return 0;
        config.terminal = 1, config.columns = number[0], config.rows = number[1];
        break;
      case OWNER:
        if (e->length != 8) return 0;
        config.owned = 1, config.uid = number[0], config.gid = number[1];
        break;
      case INPUT_OPEN:
        if (e->length != 4) return 0;
        config.input = number[0];
        break;
      case LOG:
        if (e->length != 16) return 0;
        config.log_size = number[0] | (u64)number[1] << 32, config.log_files = number[2];
        if (config.log_size < MIN_LOG || config.log_files < 1 || config.log_files > 999) return 0;
        break;
      case HANDED_OVER:
        if (e->length != 4 || number[0] > MAX_HANDED) return 0;
        config.handed = number[0];
        break;
      case CONSOLE:
        if (e->length != 4) return 0;
        config.console = number[0];
        break;
      case STARTER:
        if (e->length != 4) return 0;
        config.starter = number[0];
        break;
      case ADOPT:
        if (e->length != 12) return 0;
        config.adopt = number[0], config.boots = number[1], config.program = number[2];
        break;
      case CGROUP:
        if (!is_string(e)) return 0;
        break;
      case OOM_KILLS:
        if (!is_string(e) || config.oom_files == MAX_OOM_FILES) return 0;
        config.oom_kills[config.oom_files++] = e->value;
        break;
      case MEMORY_PEAK:
      case CPU_NANOSECONDS:
      case CPU_MICROSECONDS:
        if (!is_string(e)) return 0;
        *(e->key == MEMORY_PEAK ? &config.memory_peak : e->key == CPU_NANOSECONDS ? &config.cpu_nanoseconds : &config.cpu_microseconds) = e->value;
        break;
      case COUNTED:
        if (e->length != 8) return 0;
        config.counted = 1, config.count = number[0] | (u64)number[1] << 32;
        break;
      default:
        if (!(e->key & 0x80000000u)) return 0;
    }
  }
  return at == config.length && config.envp && (config.adopt || (config.argv && config.argv[0]));
}
