import { z } from "zod";
import { required } from "./wording.ts";

/**
 * An RFC 1123 label: 1 to 63 of a-z, 0-9 and `-`, without a hyphen at either end. It is used as a host name and a path
 * segment.
 */
export const NameSchema = z
  .string(required('write name: "web"'))
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "a name must be 1 to 63 of a-z, 0-9 and -, with no - at either end");

/** The message for an interface of ours that is called `lo`: every system has that one already. */
export const LOOPBACK = '"lo" is the loopback interface: choose another name';

/** The name of a Linux network interface: 1 to 15 characters (IFNAMSIZ less the NUL, if.h). */
export const InterfaceNameSchema = z
  .string(required('write the name of a network, as in "net0"'))
  .regex(/^[a-zA-Z][a-zA-Z0-9_.-]{0,14}$/, "an interface name must be a letter, then up to 14 of a-z, A-Z, 0-9, _ . -")
  // Folders of /proc/sys/net/ipv4/conf.
  .regex(/^(?!(?:all|default)$)/, '"all" and "default" name the settings of every interface: choose another name');
