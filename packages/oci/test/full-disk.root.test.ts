import { fullDiskTests } from "../../../test-support/full-disk-tests.ts";
import { subject } from "./support/oci-subject.ts";

fullDiskTests(subject, { megabytes: 40, inodes: 2000 });
