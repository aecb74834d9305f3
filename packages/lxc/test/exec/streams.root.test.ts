import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { openPipes } from "../../src/exec/streams.ts";
import { leaveDescriptors, openDescriptors } from "../support/descriptors.ts";

it(
  "opens all pipes or none when descriptors run out",
  requires(["root", "binary:prlimit"], async () => {
    openPipes().destroy();
    // Room for a pipe and a half.
    const restore = leaveDescriptors(3);
    try {
      const held = openDescriptors();
      expect(() => openPipes()).toThrow(expect.objectContaining({ code: "EMFILE" }));
      expect(openDescriptors()).toBe(held);
    } finally {
      restore();
    }
  }),
);
