import { describeFirewall } from "../inside/firewall.ts";
import { NETWORK } from "../inside/host.ts";

describeFirewall({
  name: "ufw",
  start: "ufw --force enable",
  allow: `ufw allow in on ${NETWORK.name} && ufw route allow in on ${NETWORK.name}`,
  reload: "ufw reload",
  restart: "systemctl restart ufw",
  stop: "ufw --force reset",
});
