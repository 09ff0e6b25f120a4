import type { Texts } from '../i18n/text-context.tsx'

/** Steps of setup that have words of their own; others are shown by their name. */
export const knownSteps = [
  'uplink',
  'preflight',
  'enrolment',
  'hypervisor',
  'storage',
  'template',
  'plans',
  'chain',
  'contracts',
  'tls',
  'storefront-check',
  'wasm',
  'start',
  'ipv6',
  'backup',
  'restored',
  'hand-over',
] as const

/** Checks of the wizard that have words of their own. */
export const knownChecks = [
  'origin-form',
  'origin-leads-here',
  'uplink-card',
  'uplink-consistent',
  'uplink-in-use',
  'tls-name',
  'tls-directory',
  'tls-port-80',
  'rpc-answers',
  'rpc-finalized',
  'rpc-fresh',
  'rpc-agree',
  'existing-contract',
  'existing-roles',
  'existing-secrets',
  'owner-wallet',
  'treasury-apart',
  'key-funds',
  'hypervisor-answers',
  'hypervisor-bridge',
  'hypervisor-ids',
  'storage-apart',
  'hypervisor-room',
  'network-free',
  'template-named',
  'plans-fit',
  'plans-tokens',
  'backup-key',
  'backup-folder',
] as const

/** A step in the person's language. */
export function stepText(name: string, t: Texts['t']): string {
  const known = knownSteps.find((one) => one === name)
  return known === undefined ? name : t(`setup.step.${known}`)
}

/** A check in the person's language. */
export function checkText(name: string, t: Texts['t']): string {
  const known = knownChecks.find((one) => one === name)
  return known === undefined ? name : t(`setup.check.${known}`)
}
