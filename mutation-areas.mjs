/** The areas that `npm run mutate` changes, with the tests of each: pure code and parsers, without slow tests. */
const AREAS = {
  tar: ["packages/core/src/tar/*.ts", "packages/core/test/tar/*.test.ts"],
  model: ["packages/core/src/{model,model/device,terms}/*.ts", "packages/core/test/model/**/*.test.ts"],
  text: [
    "packages/core/src/{files/{signal-name,accounts},text/*}.ts",
    "packages/core/test/{files/{signal-name,parse-signal,accounts},text/*}.test.ts",
  ],
  layer: [
    "packages/core/src/images/{reference,layer/{judge,filter,layer-tree,walk,nodes,whiteouts,budget,whiteout-name}}.ts",
    "packages/core/test/images/{reference,layer/{filter*,judge,budget,nodes,whiteouts}}.test.ts",
  ],
  network: [
    "packages/core/src/network/{render-dnsmasq,render-nftables,choose-subnet,subnet,lease,reservation}.ts",
    "packages/core/test/network/{render,choose-subnet,subnet,lease,reservation}.test.ts",
  ],
  lxc: ["packages/lxc/src/{config/*,monitor-log,user}.ts", "packages/lxc/test/{config/*,monitor-log,user}.test.ts"],
  oci: [
    "packages/oci/src/{process,image/{manifest,config,media-type,platform,reference,select}}.ts",
    "packages/oci/test/{process,image/{manifest,platform,reference,select}}.test.ts",
  ],
  qemu: [
    "packages/qemu/src/{argv/*,qmp/{message,events,errors},command-line,initramfs/cpio}.ts",
    "packages/qemu/test/{argv/*,qmp/*,initramfs/*,command-line}.test.ts",
  ],
  agent: ["packages/agent/src/protocol/*.ts", "packages/agent/test/protocol/*.test.ts"],
};

const names = process.env.PILEUS_MUTATE?.split(",") ?? Object.keys(AREAS);
const unknown = names.find((name) => !Object.hasOwn(AREAS, name));
if (unknown !== undefined)
  throw new Error(`PILEUS_MUTATE: there is no area "${unknown}", but ${Object.keys(AREAS).join(", ")}`);

/** The code and the tests of the areas that PILEUS_MUTATE names, separated by commas; without it, of all areas. */
export const code = names.map((name) => AREAS[name][0]);
export const tests = names.map((name) => AREAS[name][1]);
