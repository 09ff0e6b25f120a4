import type { Texts } from '../i18n/text-context.tsx'
import type { MessageKey } from '../messages/catalogue.ts'
import type { SectionName } from './resources.ts'

/** What people call the fields that the pages show; `*` stands for a number of the list. */
export const knownFields: Readonly<Record<string, MessageKey>> = {
  '/code': 'setup.code.label',
  '/origin': 'setup.address.origin',
  '/uplink': 'setup.uplink.mode',
  '/uplink/mac': 'setup.uplink.card',
  '/uplink/ipv4': 'setup.uplink.address',
  '/uplink/ipv4/address': 'setup.uplink.address',
  '/uplink/ipv4/prefixLength': 'setup.network.length',
  '/uplink/ipv4/gateway': 'setup.uplink.gateway',
  '/uplink/dns': 'setup.uplink.dns',
  '/uplink/dns/*': 'setup.uplink.dns',
  '/tls': 'setup.tls.kind',
  '/tls/kind': 'setup.tls.kind',
  '/tls/proof': 'setup.tls.proof',
  '/tls/directory': 'setup.tls.directory',
  '/tls/email': 'setup.tls.email',
  '/tls/termsAgreed': 'setup.tls.terms',
  '/contracts': 'setup.existing.kind',
  '/contracts/*/address': 'setup.existing.address',
  '/contracts/*/fromBlock': 'setup.existing.fromBlock',
  '/key': 'setup.restore.key',
  '/chain/chainId': 'setup.chain.id',
  '/chain/name': 'setup.chain.name',
  '/chain/rpcUrls': 'setup.chain.rpc',
  '/chain/rpcUrls/*': 'setup.chain.rpc',
  '/chain/confirmations': 'setup.chain.confirmations',
  '/roles/owner': 'setup.people.owner',
  '/roles/treasury': 'setup.people.treasury',
  '/deployment': 'setup.people.deployment',
  '/hypervisor': 'setup.hypervisor.kind',
  '/hypervisor/kind': 'setup.hypervisor.kind',
  '/hypervisor/folder': 'setup.storage.where',
  '/hypervisor/nodes/*/url': 'setup.hypervisor.url',
  '/hypervisor/nodes/*/name': 'setup.hypervisor.name',
  '/hypervisor/nodes/*/fingerprint': 'setup.hypervisor.fingerprint',
  '/hypervisor/diskStorage': 'setup.hypervisor.storage',
  '/hypervisor/bridge': 'setup.hypervisor.bridge',
  '/hypervisor/tokenFile': 'setup.hypervisor.tokenFile',
  '/privilegedToken': 'setup.enrolment.token',
  '/operatorNetworks': 'setup.enrolment.networks',
  '/operatorNetworks/*': 'setup.enrolment.networks',
  '/network/ipv4': 'setup.network.gateway',
  '/network/ipv4/gateway': 'setup.network.gateway',
  '/network/ipv4/prefixLength': 'setup.network.length',
  '/network/ipv6': 'setup.network.ipv6',
  '/network/ipv6/prefix': 'setup.network.prefix',
  '/network/ipv6/prefixLength': 'setup.network.length',
  '/network/broker': 'setup.network.ipv6',
  '/network/broker/registry': 'setup.network.registry',
  '/network/broker/count': 'setup.network.brokers',
  '/network/broker/maxPricePerDayWei': 'setup.network.maxPrice',
  '/template': 'setup.template.kind',
  '/template/image': 'setup.template.image',
  '/template/sha256': 'setup.template.sha256',
  '/plans': 'setup.section.plans',
  '/plans/*/name': 'setup.plans.name',
  '/plans/*/vcpus': 'setup.plans.vcpus',
  '/plans/*/memoryMiB': 'setup.plans.memoryMiB',
  '/plans/*/diskGiB': 'setup.plans.diskGiB',
  '/plans/*/capacity': 'setup.plans.capacity',
  '/plans/*/graceDays': 'setup.plans.graceDays',
  '/plans/*/prices': 'setup.plans.price',
  '/plans/*/prices/native': 'setup.plans.price',
  '/backup': 'setup.backup.opener',
  '/backup/recipient': 'setup.backup.recipient',
  '/backup/passphraseFile': 'setup.backup.passphraseFile',
  '/backup/folder': 'setup.backup.folder',
}

/** Which page asks for a top-level field of the answer file. */
export const pageOfField: Readonly<Record<string, SectionName>> = {
  uplink: 'uplink',
  origin: 'address',
  tls: 'tls',
  contracts: 'existing',
  chain: 'chain',
  publicChain: 'chain',
  roles: 'people',
  deployment: 'people',
  hypervisor: 'hypervisor',
  network: 'network',
  template: 'template',
  plans: 'plans',
  backup: 'backup',
}

/** The page on which a place of the answers is asked for; undefined where none asks. */
export function pageOf(pointer: string): SectionName | undefined {
  return pageOfField[pointer.split('/')[1] ?? '']
}

/** A place of the answers as people call it; one that no page shows is called as the answer file does. */
export function fieldName(pointer: string, t: Texts['t']): string {
  const known = knownFields[pointer.replaceAll(/\/\d+(?=\/|$)/g, '/*')]
  const own = known === undefined ? pointer.split('/').slice(2).join('.') || pointer.slice(1) : t(known)
  const plan = /^\/plans\/(\d+)\//.exec(pointer)?.[1]
  return plan === undefined ? own : `${t('setup.plans.plan', { count: Number(plan) + 1 })}: ${own}`
}
