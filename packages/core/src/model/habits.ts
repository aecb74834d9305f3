import type { KeyHints } from "./parse.ts";

/*
 * What users of Docker, Compose, testcontainers, execa, E2B and Incus write from habit, and what stands for it here: a
 * hint for each unknown key, compared without case, `-` and `_`. A hint completes the sentence "unknown key; …".
 */

const NO_PORTS =
  'no port of the host is taken: give it devices: { eth0: { type: "nic", network } }, and connect to its addresses()';
const DISK = 'write volumes: ["/srv/data:/data"], or devices: { data: { type: "disk", source, path } }';
const MEMORY = 'write devices: { cache: { type: "disk", source: "tmpfs:", path: "/cache" } }';
const NIC = 'write devices: { eth0: { type: "nic", network: "net0" } }';
const EPHEMERAL = "ephemeral() makes an instance that is deleted with its handle";
const OF_A_PROGRAM = "a terminal belongs to a program: exec(argv, { tty: { columns: 80, rows: 24 } })";
const CAPABILITIES = "write capabilities: { add, drop } in the section of the driver";
const CONFINEMENT = "write seccomp, noNewPrivileges and systemPaths in the section of the driver";
const OF_CONTAINERS = "containers have it, in their section: a virtual machine has a kernel of its own";
const OF_APPLICATIONS = "an application container has it, in its section";
const OF_MACHINES = "a virtual machine has it, in its section: containers run on the kernel of the host";
const PRIVILEGED =
  "containers have it in their section: lxc: { privileged: true } gives the ids of the host, no capability";
const HOST_IDS = "privileged: true in the section of a container gives it the ids of the host";
const OWN_IDS = 'it belongs in the section of a container: write lxc: { idmap: "shared" }, or give base and size';
const INIT_OF_A_SYSTEM = "PID 1 is called init here; run(argv) runs a program beside it";
const NESTING = "system containers may always make namespaces and mounts: leave it out";
const RAW_IDS = "write idmap: { extra: [{ inside: 1000, outside: 1000 }] } in the section of a container";
const NAMESPACES = "every instance has namespaces of its own: leave it out";
const NO_DEVICES = "no device of another type can be attached yet: a virtual machine has those of its own kernel";
const FILTER = "the filter of a nic does so by default: filter: false switches it off";
const EGRESS = "write egress: { allow: [] } for a network that reaches nothing beyond it";
const LOG = 'write log: { maxSize: "16MiB", maxFiles: 4 }';
const PROCESSES = "write limits: { processes }";
const RUNS_ON = "start() returns while the instance runs: leave it out";
const inLimits = (key: string) => `write limits: { ${key} }`;
const ofApplications = (key: string) => `an application container has it in its section: oci: { ${key} }`;

/** For the configuration of an instance. */
export const CONFIG_HABITS: KeyHints = {
  cmd: ofApplications('cmd: ["redis-server"]'),
  command: ofApplications('cmd: ["redis-server"]'),
  entrypoint: ofApplications('entrypoint: ["sh"]'),
  workdir: ofApplications('workdir: "/srv"'),
  workingDir: ofApplications('workdir: "/srv"'),
  cwd: ofApplications('workdir: "/srv"'),
  user: ofApplications('user: "1000"'),
  environment: "write env: { NAME: value }",
  logs: LOG,
  logging: LOG,
  logConfig: LOG,
  logOpts: LOG,
  "log.size": "write maxSize",
  "log.files": "write maxFiles",
  "log.maxFile": "write maxFiles",
  ports: NO_PORTS,
  exposedPorts: NO_PORTS,
  portBindings: NO_PORTS,
  publish: NO_PORTS,
  binds: DISK,
  mounts: DISK,
  tmpfs: MEMORY,
  network: NIC,
  networks: NIC,
  networkMode: NIC,
  networkingConfig: NIC,
  hostConfig: "its parts are in limits, devices and the section of the driver",
  config: "its parts are in limits, env, labels and the section of the driver",
  profiles: "there are none: write what they hold",
  detach: RUNS_ON,
  detached: RUNS_ON,
  rm: EPHEMERAL,
  autoRemove: EPHEMERAL,
  ephemeral: EPHEMERAL,
  restart: "nothing restarts an instance by itself: await wait(), then start()",
  restartPolicy: "nothing restarts an instance by itself: await wait(), then start()",
  hostname: "the host name is the name",
  tty: OF_A_PROGRAM,
  stdinOpen: OF_A_PROGRAM,
  openStdin: OF_A_PROGRAM,
  memLimit: inLimits("memory"),
  cpus: inLimits("cpu"),
  nanoCpus: inLimits("cpu"),
  pidsLimit: PROCESSES,
  "limits.pids": PROCESSES,
  "limits.pidsLimit": PROCESSES,
  "limits.memorySwap": inLimits("memory: { limit, swap }"),
  "limits.swap": inLimits("memory: { limit, swap }"),
  capAdd: CAPABILITIES,
  capDrop: CAPABILITIES,
  "*.capAdd": "write capabilities: { add }",
  "*.capDrop": "write capabilities: { drop }",
  securityOpt: CONFINEMENT,
  "*.securityOpt": CONFINEMENT,
  privileged: PRIVILEGED,
  "security.privileged": PRIVILEGED,
  usernsMode: HOST_IDS,
  userns: HOST_IDS,
  "*.usernsMode": HOST_IDS,
  "*.userns": HOST_IDS,
  idmap: OWN_IDS,
  "*.environment": "write env: { NAME: value } beside the section",
  "oci.command": "it is called cmd here",
  "oci.args": "it is called cmd here",
  "lxc.command": INIT_OF_A_SYSTEM,
  "lxc.cmd": INIT_OF_A_SYSTEM,
  "qemu.command": "a machine boots the init of its image: run(argv) runs a program in it",
  pid: NAMESPACES,
  pidMode: NAMESPACES,
  ipc: NAMESPACES,
  ipcMode: NAMESPACES,
  cgroupns: NAMESPACES,
  cgroupnsMode: NAMESPACES,
  "security.nesting": NESTING,
  nesting: NESTING,
  "*.nesting": NESTING,
  "raw.idmap": RAW_IDS,
  "security.idmap.isolated": 'it is the default: idmap: "shared" in the section of a container switches it off',
  "security.idmap.base": "write idmap: { base } in the section of a container",
  "security.idmap.size": "write idmap: { size } in the section of a container",
  "*.capabilities": OF_CONTAINERS,
  "*.seccomp": OF_CONTAINERS,
  "*.noNewPrivileges": OF_CONTAINERS,
  "*.idmap": OF_CONTAINERS,
  "*.privileged": OF_CONTAINERS,
  "*.systemPaths": OF_APPLICATIONS,
  "*.keepAlive": OF_APPLICATIONS,
  "*.kernel": OF_MACHINES,
  "*.machine": OF_MACHINES,
  "*.rootSize": OF_MACHINES,
  "*.cpuModel": OF_MACHINES,
  kernel: 'a virtual machine has it: qemu: { kernel: "image" }',
  ulimits: "a program sets its own: limits are cpu, memory and processes",
  sysctls: 'write them inside, as root of a system container: run(["sysctl", "-w", …])',
  extraHosts: 'write them inside: files.writeText("/etc/hosts", …)',
  "devices.*.type": NO_DEVICES,
  "devices.*.target": "it is called path here",
  "devices.*.destination": "it is called path here",
  "devices.*.src": "it is called source here",
  "devices.*.ro": "write readonly: true",
  "devices.*.readOnly": "write readonly: true",
  "devices.*.rw": "a disk can be written unless it has readonly: true",
  "devices.*.pool": "there are no storage pools yet: source is a folder or a file of the host",
  "devices.*.mac": "it is called hwaddr here",
  "devices.*.macAddress": "it is called hwaddr here",
  "devices.*.ip": "it is called ipv4 here",
  "devices.*.ipv6": "networks route IPv4 only: leave it out",
  "devices.*.isolated": "it is an option of the network: networks.create({ name, isolated: true })",
  "devices.*.security.macFiltering": FILTER,
  "devices.*.security.ipv4Filtering": FILTER,
  "devices.*.security.ipv6Filtering": FILTER,
  "devices.*.security.acls": "write egress: { allow, deny }",
  platform: "images.import(source, { architecture }) chooses it",
  healthcheck: 'ask the service: run(["sh", "-c", "until …; do sleep 0.1; done"], { timeout, check: true })',
  waitStrategy: 'ask the service: run(["sh", "-c", "until …; do sleep 0.1; done"], { timeout, check: true })',
};

const TERMINAL: KeyHints = {
  cols: "it is called columns here",
  width: "it is called columns here",
  w: "it is called columns here",
  lines: "it is called rows here",
  height: "it is called rows here",
  h: "it is called rows here",
};
/** For the size of a terminal. */
export const TERMINAL_HABITS: KeyHints = TERMINAL;

const CWD = "it is called cwd here";
const USER = 'write user: "1000" or user: "1000:1000"';
const STREAMS = "onStdout and onStderr get each line; exec() returns the streams";
const RETURNS =
  "exec() returns while the program runs; exec(argv, { detached: true }) starts one that outlives this process";
/** For the options of `exec()` and `run()`. */
export const PROGRAM_HABITS: KeyHints = {
  workdir: CWD,
  workingDir: CWD,
  uid: USER,
  gid: USER,
  environment: "it is called env here",
  cancelSignal: "it is called signal here",
  abortSignal: "it is called signal here",
  killSignal: "a timeout and an abort send SIGKILL; kill() of the process that exec() returns sends any signal",
  shell: 'write the command line as ["sh", "-c", "ls | wc -l"]',
  stdio: STREAMS,
  stdout: STREAMS,
  stderr: STREAMS,
  onData: STREAMS,
  lines: STREAMS,
  all: 'both streams come apart: join them inside, ["sh", "-c", "make 2>&1"]',
  detach: RETURNS,
  detached: RETURNS,
  background: RETURNS,
  interactive: "exec(argv, { tty: { columns: 80, rows: 24 } }) gives a terminal",
  ...Object.fromEntries(Object.entries(TERMINAL).map(([key, hint]) => [`tty.${key}`, hint])),
};

const NO_INPUT = "a detached program reads an empty input: write it to a file inside first";
const NO_TERMINAL = "a detached program has no terminal: leave out detached, or start one inside (script, tmux)";

/** For the options of `exec()` with `detached`. */
export const DETACHED_HABITS: KeyHints = {
  ...PROGRAM_HABITS,
  tty: NO_TERMINAL,
  interactive: NO_TERMINAL,
  stdin: NO_INPUT,
  input: NO_INPUT,
  timeout: "a detached program has no time limit: kill() ends it, or timeout(1) inside",
  onStdout: "attach() of the program gives its output",
  onStderr: "attach() of the program gives its output",
  restart: "nobody restarts it: start a program inside that does",
};

/** For the options of `attach()`. */
export const ATTACH_HABITS: KeyHints = {
  since: "it is called offset here, and counts bytes",
  from: "it is called offset here",
  tail: "it is called offset here, and counts bytes from the start",
  logs: "leave it out: the output from offset on comes first",
  stream: "each piece of output says its stream",
  stdin: "a detached program reads an empty input",
  timeout: "write signal: AbortSignal.timeout(5000)",
};

/** For the options of `create()` and `ephemeral()`. */
export const CREATE_HABITS: KeyHints = {
  ready: "it is an option of ephemeral(): after create() and start(), call ready()",
  timeout: "write ephemeral(config, { ready: { timeout } }) for the time until it is ready",
  rm: EPHEMERAL,
  autoRemove: EPHEMERAL,
  detach: RUNS_ON,
};

/** For the options of `stop()` and `restart()`. */
export const STOP_HABITS: KeyHints = {
  t: "it is called timeout here, in milliseconds",
  force: 'write mode: "kill"',
};

/** For the options of calls that take nothing but a signal. */
export const CALL_HABITS: KeyHints = {
  timeout: "write signal: AbortSignal.timeout(5000)",
  force: "delete() stops a running instance by force anyway: leave it out",
  condition: "wait() waits for the end of the run: leave it out",
  detach: RUNS_ON,
  ready: "after start(), call ready()",
};

/** For the options of `console()`. */
export const CONSOLE_HABITS: KeyHints = {
  tty: "it is called size here",
  force: "it is called take here",
  stdin: "writing to the stream is typing",
  stream: "it is an option of logs(): a console has one stream",
  follow: "it is an option of logs(): a console goes on until the run ends",
  timeout: "write signal: AbortSignal.timeout(5000)",
  ...Object.fromEntries(Object.entries(TERMINAL).map(([key, hint]) => [`size.${key}`, hint])),
  columns: "write size: { columns: 80, rows: 24 }",
  rows: "write size: { columns: 80, rows: 24 }",
};

const ONE_STREAM = 'write stream: "stdout" or stream: "stderr"; without it, both come in order';
/** For the options of `logs()`. */
export const LOG_HABITS: KeyHints = {
  stdout: ONE_STREAM,
  stderr: ONE_STREAM,
  streams: ONE_STREAM,
  all: ONE_STREAM,
  until: "stop reading, or give a signal: the output has an end only when the run ends",
  lines: "it is called tail here",
  n: "it is called tail here",
  limit: "it is called tail here",
  sinceTime: "it is called since here",
  details: "labels are in inspect().config.labels: leave it out",
  timestamp: "it is called timestamps here",
  previous: "since reaches back to earlier runs: since: new Date(0)",
  timeout: "write signal: AbortSignal.timeout(5000)",
};

/** For the options of `files`. */
export const FILE_HABITS: KeyHints = {
  owner: "write uid and gid, as numbers",
  user: "write uid, as a number",
  group: "write gid, as a number",
  force: "it is called recursive here",
  parents: "it is called recursive here",
  mode: "the modes are those of the host's files",
  followSymlinks: "it is called dereference here, an option of push()",
};

/** For the configuration of a network. */
export const NETWORK_HABITS: KeyHints = {
  subnet: 'write ipv4: "10.90.0.1/24", the address of the bridge and the prefix',
  gateway: 'write ipv4: "10.90.0.1/24", the address of the bridge and the prefix',
  ipam: 'write ipv4: "10.90.0.1/24", the address of the bridge and the prefix',
  internal: EGRESS,
  ipv6: "networks route IPv4 only: leave it out",
  filter: "it is an option of a nic, and on by default",
  driver: "every network is a bridge: leave it out",
  type: "every network is a bridge: leave it out",
};
