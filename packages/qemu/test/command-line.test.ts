import { expect, it } from "vitest";
import { renderCommandLine } from "../src/command-line.ts";

const parts = {
  hostname: "web",
  nics: [
    {
      device: "eth0",
      mac: "02:00:00:aa:bb:cc",
      ipv4: { address: "10.90.0.7", prefix: 24, gateway: "10.90.0.1" },
      dns: { servers: ["10.90.0.1"], domain: "pileus" },
    },
  ],
  type: "q35",
  accelerator: "tcg",
  tscKhz: 2_596_140,
} as const;

it("tells the initramfs the name and the nics of the instance", () => {
  expect(renderCommandLine(parts)).toContain(" pileus.hostname=web pileus.nic=eth0,02:00:00:aa:bb:cc,10.90.0.7,pileus");
});

it("gives the rate of the time stamp counter only to a microvm under TCG", () => {
  expect(renderCommandLine({ ...parts, type: "microvm" })).toContain("tsc_early_khz=2596140");
  expect(renderCommandLine(parts)).not.toContain("tsc_early_khz");
  expect(renderCommandLine({ ...parts, type: "microvm", tscKhz: undefined })).not.toContain("tsc_early_khz");
  expect(renderCommandLine({ ...parts, type: "microvm", accelerator: "kvm" })).not.toContain("tsc_early_khz");
});

it("has a machine that can grow use new memory at once, and sets aside little for devices that reach no memory beyond 4 GiB", () => {
  const online = " memhp_default_state=online memory_hotplug.online_policy=auto-movable ";
  expect(renderCommandLine(parts)).not.toMatch(/memhp|swiotlb/);
  expect(renderCommandLine({ ...parts, growsFrom: 2 ** 31 })).toContain(`${online}swiotlb=512 `);
  // As every machine that has such memory from the start.
  expect(renderCommandLine({ ...parts, growsFrom: 2 ** 31 + 1 })).toContain(`${online}pileus.hostname`);
});

it("leaves the kernel's mitigations on when guests run on the real processor", () => {
  expect(renderCommandLine({ ...parts, accelerator: "kvm" })).not.toMatch(/mitigations|nokaslr/);
  expect(renderCommandLine(parts)).toContain(
    " net.ifnames=0 mitigations=off nokaslr no_timer_check cryptomgr.notests rcupdate.rcu_expedited=1 pileus.",
  );
  expect(renderCommandLine({ ...parts, accelerator: "kvm" })).toContain(
    " net.ifnames=0 pileus.hostname=web pileus.nic=",
  );
});
