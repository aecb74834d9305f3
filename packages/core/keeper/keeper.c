/*
 * The keeper of one run: docs/design/0015-keeper.md. It owns the streams of what runs, logs them, serves readers and one
 * writer, and records how the run ended. A static program without a libc.
 *
 * It inherits descriptors: 3 the first client's connection, which sends CONFIG; 4 the folder run; 5 the folder log; 6 the
 * socket on which it listens; or /dev/null: 7 a program to execute, 8 the socket to which each PID 1 comes, and 9 what
 * the program gets as its descriptor 3. What a plain program gets as its 3, 4 and so on begins at HANDED.
 */
#include "calls.h"
#include "../../lxc/helper/terminal.h"
#include "../../lxc/helper/children.h"
#include "../../lxc/helper/settings.h"
#include "config.h"
#include "hold.h"
#include "log.h"
#include "streams.h"
#include "clients.h"
#include "end.h"
#include "program.h"
#include "cgroups.h"

enum { CONNECTION = 3, RUN_FOLDER, LOG_FOLDER, LISTENER, GIVEN_PROGRAM, GIVEN_ANNOUNCE, GIVEN_FILE };

#include "start.h"
#include "finish.h"
#include "loop.h"

/* Reads HELLO and CONFIG from the connection that it inherited. */
static void read_orders(void) {
  u32 header[2], version;
  if (!read_all(CONNECTION, header, 8) || header[0] != HELLO || header[1] != 4 || !read_all(CONNECTION, &version, 4) || !version) leave(126);
  if (!read_all(CONNECTION, header, 8) || header[0] != CONFIG || header[1] > MAX_CONFIG) leave(126);
  char *payload = (char *)call6(SYS_mmap, 0, (long)header[1] + 4, 3, 0x22, -1, 0);
  if ((u64)payload > -4096ul || !read_all(CONNECTION, payload, header[1]) || !read_config(payload, header[1])) leave(126);
  launcher = add_client((int)call(SYS_fcntl, CONNECTION, F_DUPFD_CLOEXEC, FIRST_FREE, 0));
  call(SYS_close, CONNECTION, 0, 0, 0);
  launcher->greeted = least(version, VERSION), launcher->due |= BIT(SAY_READY);
}

static void set_up(void) {
  u64 ignore[4] = {1, 0, 0, 0};
  int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
  set_usual();
  for (int i = 0; i < 4; i++) call(SYS_rt_sigaction, ignored[i], ignore, 0, 8);
  call(SYS_setsid, 0, 0, 0, 0);
  call(SYS_umask, 0, 0, 0, 0);
  call(SYS_prctl, PR_SET_NAME, "pileus-keeper", 0, 0);
  for (int fd = CONNECTION; fd <= GIVEN_FILE; fd++) call(SYS_fcntl, fd, F_SETFD, 1, 0);
  call(SYS_close_range, GIVEN_FILE + 1, HANDED - 1, 0, 0);
  read_orders();
  call(SYS_close_range, HANDED + config.handed, ~0u, 0, 0);
  for (u32 i = 0; i < config.handed; i++) call(SYS_fcntl, HANDED + i, F_SETFD, 1, 0);
  ending.folder = RUN_FOLDER, output.folder = LOG_FOLDER, output.before = config.count;
  if (config.starter) {
    call(SYS_dup3, GIVEN_PROGRAM, PROGRAM, O_CLOEXEC, 0);
    if (!config.adopt) call(SYS_dup3, GIVEN_ANNOUNCE, ANNOUNCE, O_CLOEXEC, 0);
  }
  long error = enter_cgroups();
  if (error) fail(STEP_CGROUP, error);
  else if (config.adopt) adopt();
  else if (config.starter == STARTER_WAITS) start_holder();
}

__attribute__((used, noreturn)) void run(long *stack) {
  /* What ps(1) shows. */
  char *shown = (char *)stack[1];
  const char *name = "pileus-keeper";
  for (u64 left = length_of(shown), i = 0; i < left; i++) shown[i] = *name ? *name++ : 0;
  set_up();
  /* Nobody begins a run that could not be taken over. */
  if (config.adopt && failure.step) finish();
  serve();
}
