// Which capability a test file belongs to, and how many minutes of CI each may take on two quiet cores.

/** Minutes of CI by capability; together less than the 80 a cold run may take. */
export const budget = {
  'main job': 24,
  'nothing lost': 9,
  login: 6,
  Proxmox: 6,
  setup: 5,
  console: 5,
  ISO: 10,
  WASM: 9,
  broker: 5,
} as const
export type Capability = keyof typeof budget

/** First match wins; what none names is the main job's. */
const places: readonly (readonly [Capability, RegExp])[] = [
  // the chain of value on a real guest, through the browser; what the guests' image is made of
  ['main job', /main-job|build-pam-web3\.sh/],
  ['ISO', /^iso\/|^scripts\/deb\/|host\/(update|reset)\//],
  ['Proxmox', /proxmox|^testing\/pve\//],
  ['WASM', /wasm/],
  ['broker', /broker|wireguard|ipv6/],
  ['setup', /\/setup|wizard-stand|first-certificate|console-screen|setup\.e2e|restore\.e2e/],
  [
    'login',
    /sign-in|pam-web3|ssh-certificate|keystore|cli\/(ssh|relay|terminal)|sessions|transfer-care|contract-wallet|break-glass|attacks/,
  ],
  [
    'nothing lost',
    /kill|crash|fault|interrupted-daemon|abuse|doors|stop\.int|rebuild|large-writes|migration|corrupt|integrity|lost|bridge|isolation|\/host\/|reorg|stands\//,
  ],
  ['console', /wizard\/|console|storefront|e2e\//],
]

/** Capability of a test file, by its path from the root of the tree. */
export function capabilityOf(file: string): Capability {
  return places.find(([, pattern]) => pattern.test(file))?.[0] ?? 'main job'
}

/** Seconds of files that ran beside each other, brought down to the time that went by: a minute of CI is a minute of waiting. */
export function ofWallTime(files: readonly { file: string; seconds: number }[], wallSeconds: number) {
  const sum = files.reduce((all, { seconds }) => all + seconds, 0)
  const part = sum > wallSeconds ? wallSeconds / sum : 1
  return files.map(({ file, seconds }) => ({ file, seconds: seconds * part }))
}

/** A line for each capability that took time: minutes, of how many, and a mark where it is over. */
export function shareLines(seconds: ReadonlyMap<Capability, number>): string[] {
  return (Object.keys(budget) as Capability[]).flatMap((name) => {
    const minutes = (seconds.get(name) ?? 0) / 60
    if (minutes === 0) return []
    return [
      `${name.padEnd(12)} ${minutes.toFixed(1).padStart(5)} of ${budget[name]} min${minutes > budget[name] ? '  over' : ''}`,
    ]
  })
}
