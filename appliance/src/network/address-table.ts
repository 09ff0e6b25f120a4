import { vmIdOf, type VmKey } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import type { VmAddresses } from '../hypervisor/port.ts'
import type { AddressLease, AddressRepository } from '../store/addresses.ts'
import {
  indexCandidates,
  indexOfIpv6,
  ipv4Candidates,
  ipv6AtIndex,
  ipv6Of,
  portCandidates,
  type AddressPlan,
} from './address-plan.ts'

type VmName = Pick<VmKey, 'installation' | 'tokenId'>

/** Who has which address: stable over the life of a VM, never given again before the VM is gone (design.md §9). */
export interface AddressTable {
  /** The VM's addresses; the same ones at every call. Throws AppError `capacity-exceeded` when a range is full. */
  allocate(vm: VmName, contractIndex: number): Promise<VmAddresses>
  /** Enters addresses found in the hypervisor's metadata (rebuild). False if one of them belongs to another VM. */
  claim(vm: VmName, addresses: VmAddresses): Promise<boolean>
  /** Frees them. Only once the VM is gone. What one of `others` holds as well, after a loss, is never free in between. */
  release(vm: VmName, others?: Iterable<VmName & { addresses: VmAddresses }>): Promise<void>
}

export function createAddressTable(plan: AddressPlan, repository: AddressRepository): AddressTable {
  async function take(
    kind: Parameters<AddressRepository['allocate']>[0],
    vm: VmName,
    candidates: Iterable<string>,
  ): Promise<string> {
    const value = await repository.allocate(kind, vmIdOf(vm), candidates)
    if (value !== undefined) return value
    throw new AppError({
      code: 'capacity-exceeded',
      detail: `No address of kind ${kind} is free for VM ${vmIdOf(vm)}.`,
      hint: 'Widen the range in the configuration, or wait until a VM ends.',
    })
  }

  async function ipv6(vm: VmName, contractIndex: number): Promise<string | null> {
    if (plan.ipv6 === null) return null
    if (plan.ipv6.prefixLength <= 64) {
      // counted from 1: in an on-link prefix ::1 and ::2 are the router and the host itself
      return ipv6Of(plan.ipv6, contractIndex + 1, vm.tokenId)
    }
    return ipv6AtIndex(plan.ipv6, Number(await take('ipv6-index', vm, indexCandidates(plan.ipv6.prefixLength))))
  }

  function leasesOf(vm: VmName, { ipv4, ipv6, sshPort }: VmAddresses): AddressLease[] {
    const owner = vmIdOf(vm)
    const leases: AddressLease[] = []
    if (ipv4 !== null) leases.push({ kind: 'ipv4', owner, value: ipv4 })
    if (sshPort !== null) leases.push({ kind: 'ssh-port', owner, value: String(sshPort) })
    if (ipv6 !== null && plan.ipv6 !== null && plan.ipv6.prefixLength > 64) {
      leases.push({ kind: 'ipv6-index', owner, value: String(indexOfIpv6(plan.ipv6, ipv6)) })
    }
    return leases
  }

  return {
    async allocate(vm, contractIndex) {
      return {
        ipv4: plan.ipv4 && (await take('ipv4', vm, ipv4Candidates(plan.ipv4))),
        ipv6: await ipv6(vm, contractIndex),
        sshPort: plan.sshPorts && Number(await take('ssh-port', vm, portCandidates(plan.sshPorts))),
      }
    },
    async claim(vm, addresses) {
      const claims = leasesOf(vm, addresses).map(({ kind, owner, value }) => repository.claim(kind, owner, value))
      return (await Promise.all(claims)).every(Boolean)
    },
    async release(vm, others = []) {
      const heirs = [...others].filter((other) => vmIdOf(other) !== vmIdOf(vm))
      await repository.release(
        vmIdOf(vm),
        heirs.flatMap((heir) => leasesOf(heir, heir.addresses)),
      )
    },
  }
}
