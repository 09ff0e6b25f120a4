// What the profile writes, from values alone. Sources: Proxmox VE's own guide for Debian 13, and its interfaces(5) style.

/** The archive's key, as its maintainers publish it; nothing else is ever trusted. */
export const archiveKey = {
  url: 'https://enterprise.proxmox.com/debian/proxmox-archive-keyring-trixie.gpg',
  sha256: '136673be77aba35dcce385b28737689ad64fd785a797e57897589aed08db6e45',
  file: '/usr/share/keyrings/proxmox-archive-keyring.gpg',
} as const

export const sourcesFile = '/etc/apt/sources.list.d/proxmox.sources'
export const sources = `Types: deb
URIs: http://download.proxmox.com/debian/pve
Suites: trixie
Components: pve-no-subscription
Signed-By: ${archiveKey.file}
`

/** How the machine is reached now. */
export interface Uplink {
  device: string
  address: string
  prefixLength: number
  gateway: string
}

/**
 * /etc/hosts with the short name on the machine's real address: pmxcfs asks for it and refuses a loopback one. Lines of others
 * stay; lines with this name go.
 */
export function hostsWith(text: string, name: string, address: string): string {
  const rest = text.split('\n').filter((line) => !line.replace(/#.*/, '').trim().split(/\s+/).slice(1).includes(name))
  while (rest.at(-1) === '') rest.pop()
  return `${[...rest, `${address} ${name}.local ${name}`].join('\n')}\n`
}

/** Whether the short name leads to that address and to no other. */
export const namesItself = (text: string, name: string, address: string): boolean =>
  text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
    .filter(([, ...names]) => names.includes(name))
    .every(([at]) => at === address) && text.includes(`${address} ${name}.local ${name}`)

/** The bridge that takes over address and gateway of the uplink. */
export const interfacesWith = ({
  device,
  address,
  prefixLength,
  gateway,
}: Uplink): string => `# written by Freehold: guests of Proxmox VE are on vmbr0
auto lo
iface lo inet loopback

iface ${device} inet manual

auto vmbr0
iface vmbr0 inet static
\taddress ${address}/${prefixLength}
\tgateway ${gateway}
\tbridge-ports ${device}
\tbridge-stp off
\tbridge-fd 0

source /etc/network/interfaces.d/*
`
