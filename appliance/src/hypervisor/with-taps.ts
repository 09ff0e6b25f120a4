import type { VmKey } from '../chain/installation.ts'
import type { HostPort } from '../host/port.ts'
import { Lock } from '../host/lock.ts'
import type { Argument, HostTap } from '../host/verbs.ts'
import type { Hypervisor, VmSpec } from './port.ts'

/** The nets of the guests and what the operator opened, as the root helper takes them. */
export interface TapSettings {
  net: Argument<'setTaps'>['net']
  open: Argument<'setFirewall'>['open']
}

/** What has to be before the first VM. */
export interface Opening {
  /**
   * Bridge, gateway address and rules as they are to be: the login endpoint listens on that address before any VM is made.
   * A list that cannot be read leaves the taps alone. Throws `host-helper-down`.
   */
  settle(): Promise<void>
}

type Tapped = Pick<VmSpec, 'key' | 'mac' | 'addresses'>

/**
 * A hypervisor whose VMs are on taps of the root helper: the set follows what the hypervisor itself lists, before a VM is made
 * or started and after one is gone. If the list cannot be read, nothing is taken away: the verb fails and the taps stay.
 */
export function withTaps<H extends Hypervisor>(
  hypervisor: H,
  host: Pick<HostPort, 'setTaps' | 'setFirewall'>,
  settings: TapSettings,
): H & Opening {
  const lock = new Lock()
  const tapsOf = (vms: readonly Tapped[]): HostTap[] =>
    vms.flatMap(({ key, mac, addresses: { ipv4, ipv6, sshPort } }) =>
      ipv4 === null ? [] : [{ installation: key.installation, tokenId: key.tokenId.toString(), mac, ipv4, ipv6, sshPort }],
    )
  /** VMs whose create goes on: they may not be listed yet. Each verb takes away its own entry alone. */
  const coming = new Map<symbol, Tapped>()
  const nameOf = (key: VmKey): string => `${key.installation}/${key.tokenId}`

  async function set(): Promise<void> {
    await lock.run(async () => {
      const listed = (await hypervisor.list()).map(({ key, spec }) => ({ key, mac: spec.mac, addresses: spec.addresses }))
      const all = new Map([...listed, ...coming.values()].map((vm) => [nameOf(vm.key), vm]))
      await host.setTaps({ net: settings.net, taps: tapsOf([...all.values()]) })
    })
  }

  async function during(spec: VmSpec, work: () => Promise<void>): Promise<void> {
    const mine = Symbol(nameOf(spec.key))
    coming.set(mine, spec)
    try {
      await set()
      await work()
    } finally {
      coming.delete(mine)
    }
  }

  async function settle(): Promise<void> {
    await host.setFirewall({ open: settings.open })
    const readable = await hypervisor.list().then(
      () => true,
      () => false,
    )
    if (readable) await set()
  }

  const tapped: Pick<Hypervisor, 'create' | 'start' | 'reinstall' | 'destroy'> = {
    create: (spec, verb) => during(spec, () => hypervisor.create(spec, verb)),
    reinstall: (from, spec, verb) => during(spec, () => hypervisor.reinstall(from, spec, verb)),
    async start(key) {
      await host.setFirewall({ open: settings.open })
      await set()
      await hypervisor.start(key)
    },
    async destroy(key) {
      await hypervisor.destroy(key)
      await set()
    },
  }
  return { ...hypervisor, ...tapped, settle }
}
