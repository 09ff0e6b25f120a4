import { markOf, type VmKey } from '../chain/installation.ts'
import type { Seed, VmAddresses } from '../hypervisor/port.ts'

/** What every seed of this host says alike. */
export interface SeedHost {
  /** Where a guest dials the login endpoint, `address:port`. */
  endpoint: string
  /** Base64 of the SHA-256 of the endpoint's SubjectPublicKeyInfo. */
  spkiSha256: string
  /** Base64 of the 32 raw bytes of the Ed25519 statement key. */
  statementKey: string
  /** `ssh-ed25519 AAAA…`: signs user certificates. */
  userCa: string
  chainId: number
  contract: string
  /** Inner network of the guests; null: the guest asks by DHCP (user networking). */
  guestNet: {
    prefixLength: number
    gateway: string
    ipv6PrefixLength: number
    /** Prefixes are announced by the host: the guest makes its addresses of them. */
    announced?: boolean
  } | null
}

/** What is this VM's own. */
export interface SeedVm {
  key: VmKey
  mac: string
  addresses: VmAddresses
  token: string
}

/** The contents of the NoCloud seed, byte for byte as sign-in/PROTOCOL.md, "The seed", says. */
export function buildSeed(host: SeedHost, vm: SeedVm): Seed {
  return {
    userData: '#cloud-config\n{}\n',
    metaData: line({ 'instance-id': markOf(vm.key), 'local-hostname': `vm-${vm.key.tokenId}` }),
    networkConfig: line({
      version: 2,
      ethernets: { eth0: { match: { macaddress: vm.mac }, ...interfaceOf(host, vm.addresses) } },
    }),
    freeholdJson: line({
      version: 1,
      endpoint: host.endpoint,
      spkiSha256: host.spkiSha256,
      statementKey: host.statementKey,
      userCa: host.userCa,
      token: vm.token,
      chainId: host.chainId,
      contract: host.contract.toLowerCase(),
      tokenId: vm.key.tokenId.toString(),
      generation: vm.key.generation,
    }),
  }
}

function interfaceOf(host: SeedHost, { ipv4, ipv6 }: VmAddresses): object {
  const net = host.guestNet
  if (net === null || ipv4 === null) return { dhcp4: true, dhcp6: false, 'accept-ra': true }
  return {
    addresses: [`${ipv4}/${net.prefixLength}`, ...(ipv6 === null ? [] : [`${ipv6}/${net.ipv6PrefixLength}`])],
    routes: [{ to: 'default', via: net.gateway }, ...(ipv6 === null ? [] : [{ to: '::/0', via: 'fe80::1', 'on-link': true }])],
    nameservers: { addresses: [net.gateway] },
    ...(net.announced === true && { 'accept-ra': true }),
  }
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`
}
