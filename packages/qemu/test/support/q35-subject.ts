import { qemuSubject } from "./qemu-subject.ts";

export const subject = qemuSubject("q35", import.meta.url);
