/** What virtual machines can ever do. A guest without our agent lacks `exec`, `files` and `network`. */
export type QemuCapability =
  | "exec"
  | "detached"
  | "files"
  | "freeze"
  | "network"
  | "metrics"
  | "logs"
  | "console"
  | "reboot";
