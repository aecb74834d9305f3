import { describeFirewall } from "../inside/firewall.ts";
import { FACTOR, NETWORK } from "../inside/host.ts";

/** Of firewalld, by D-Bus as firewall-cmd asks it, which gives up after 25 s: too early on an emulated host. */
const bus = (call: string, method: string) =>
  `busctl --timeout=${60 * FACTOR} ${call} org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 org.fedoraproject.FirewallD1 ${method}`;
const reload = bus("call", "reload");
/** systemd takes it for started before its rules are there. It answers only then. */
const ready = bus("get-property", "state");

describeFirewall({
  name: "firewalld",
  start: `systemctl start firewalld && ${ready}`,
  allow: `firewall-cmd --permanent --zone=trusted --add-interface=${NETWORK.name} && ${reload}`,
  reload,
  restart: `systemctl restart firewalld && ${ready}`,
  stop: "systemctl stop firewalld; rm -rf /etc/firewalld/zones/*",
});
