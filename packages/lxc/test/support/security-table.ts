import { readFileSync } from "node:fs";

/** What docs/security.md says is measured inside an instance of a driver, by the name of the row. */
export function securityTable(driver: "lxc" | "oci"): Readonly<Record<string, string>> {
  const text = readFileSync(new URL("../../../../docs/security.md", import.meta.url), "utf8");
  const [head = "", ...rows] = /^\| measured inside[\s\S]*?\n\n/m.exec(text)?.[0].trim().split("\n") ?? [];
  const cells = (row: string) => row.split("|").map((cell) => cell.trim().replaceAll("`", ""));
  const column = cells(head).indexOf(driver);
  return Object.fromEntries(rows.slice(1).map((row) => [cells(row)[1] ?? "", cells(row)[column] ?? ""]));
}

/** A shell script that measures what the table says, a line for each row. To be run by root inside. */
export const MEASURE = `
  field() { sed -n "s/^$1:[[:space:]]*0*\\([0-9a-f]\\)/\\1/p" /proc/self/status; }
  for name in CapEff CapBnd CapAmb Seccomp NoNewPrivs; do echo "$name=$(field $name)"; done
  list() { [ -n "$1" ] && echo "$1" || echo none; }
  readable=
  for f in interrupts keys timer_list; do
    [ -e /proc/$f ] && head -c 1 /proc/$f 2>/dev/null | grep -q . && readable="$readable $f"
  done
  echo "readable in /proc=$(list "$(echo $readable)")"
  writable=
  for f in kernel/core_pattern vm/drop_caches net/ipv4/ip_forward; do
    (exec 3>>/proc/sys/$f) 2>/dev/null && writable="$writable $f"
  done
  echo "writable in /proc/sys=$(list "$(echo $writable)")"
  ls -A /sys/firmware | grep -q . && echo "/sys/firmware=shown" || echo "/sys/firmware=empty"
  mount -t tmpfs none /mnt 2>/dev/null && echo "mount=allowed" || echo "mount=refused"
  unshare -U true 2>/dev/null && echo "new user namespace=allowed" || echo "new user namespace=refused"`;

/** What {@link MEASURE} printed. */
export function measured(stdout: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.trim().split("=") as [string, string]),
  );
}
