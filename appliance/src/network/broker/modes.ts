/** How VMs of this host get public IPv6. */
export type Ipv6Mode = 'broker' | 'manual' | 'none' | 'onion'

/** A mode as the setup page shows it. */
export interface Ipv6ModeText {
  mode: Ipv6Mode
  title: string
  /** What people get. */
  gives: string
  /** What it needs, or what is missing where it cannot be chosen. */
  needs: string
  available: boolean
}

/** All modes in the order of the page. One that cannot be chosen says what is missing rather than offering half of it. */
export const ipv6Modes: readonly Ipv6ModeText[] = [
  {
    mode: 'broker',
    title: 'A broker gives a prefix',
    gives: 'Every VM has a public IPv6 address and a name, behind any kind of line.',
    needs: 'A broker in the registry or by address, and UDP out of this network. Its operator sees the traffic of the VMs.',
    available: true,
  },
  {
    mode: 'manual',
    title: 'I have a prefix',
    gives: 'Every VM has an address of the prefix that your provider gave you.',
    needs: 'A prefix that is routed to this machine, or the one of its uplink.',
    available: true,
  },
  {
    mode: 'none',
    title: 'No public addresses',
    gives: 'VMs reach the Internet; each is reached by SSH on a port of this host.',
    needs: 'Nothing.',
    available: true,
  },
  {
    mode: 'onion',
    title: 'Onion addresses',
    gives: 'Every VM would be reached by an onion address, without any broker or port.',
    needs:
      'Not built yet. Missing: an onion service per VM whose key moves with the pass, a login endpoint that does not count all visitors as one address, and a limit for abuse without source addresses.',
    available: false,
  },
]
