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

type Tapped = Pick<VmSpec, 'key' | 'mac' | 'addresses'>

/**
 * A hypervisor whose VMs are on taps of the root helper: the set follows what the hypervisor itself lists, before a VM is made
 * or started and after one is gone. If the list cannot be read, nothing is taken away: the verb fails and the taps stay.
 */
export function withTaps<H extends Hypervisor>(
  hypervisor: H,
  host: Pick<HostPort, 'setTaps' | 'setFirewall'>,
  settings: TapSettings,
): H {
  const lock = new Lock()
  const tapsOf = (vms: readonly Tapped[]): HostTap[] =>
    vms.flatMap(({ key, mac, addresses: { ipv4, ipv6, sshPort } }) =>
      ipv4 === null ? [] : [{ installation: key.installation, tokenId: key.tokenId.toString(), mac, ipv4, ipv6, sshPort }],
    )
  /** VMs whose create goes on: they may not be listed yet. */
  const coming = new Map<string, Tapped>()
  const nameOf = (key: VmKey): string => `${key.installation}/${key.tokenId}`

  async function set(): Promise<void> {
    await lock.run(async () => {
      const listed = (await hypervisor.list()).map(({ key, spec }) => ({ key, mac: spec.mac, addresses: spec.addresses }))
      const all = new Map([...listed.map((vm) => [nameOf(vm.key), vm] as const), ...coming])
      await host.setTaps({ net: settings.net, taps: tapsOf([...all.values()]) })
    })
  }

  async function during(spec: VmSpec, work: () => Promise<void>): Promise<void> {
    coming.set(nameOf(spec.key), spec)
    try {
      await set()
      await work()
    } finally {
      coming.delete(nameOf(spec.key))
    }
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
  return { ...hypervisor, ...tapped }
}
