/*
 * Starts a tool of the host with default settings, whatever settings the calling process has: umask, priority,
 * processors, limits, OOM score, keys. The container's programs inherit all of them from the tool.
 *
 * argv: own path, the first descriptor that the tool does not get, the path of the tool, its arguments.
 */
#include "../../lxc/helper/base.h"
#include "../../lxc/helper/settings.h"

__attribute__((used, noreturn)) void run(long *stack) {
  char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
  if (stack[0] < 3) leave(126);
  u32 first = 0;
  for (const char *c = argv[1]; *c >= '0' && *c <= '9'; c++) first = first * 10 + (u32)(*c - '0');
  long refused = set_usual();
  if (refused) {
    print_error("launch", "cannot make a session keyring (keyrings(7)) for", argv[2], refused);
    leave(126);
  }
  call(SYS_close_range, first, ~0u, 0, 0);
  print_error("launch", "cannot run", argv[2], -call(SYS_execve, argv[2], argv + 2, envp, 0));
  leave(127);
  __builtin_unreachable();
}
