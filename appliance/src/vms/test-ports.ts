import type { MovableClock } from '../clock/clock.ts'
import { embeddedPlan } from '../network/address-plan.ts'
import { createAddressTable } from '../network/address-table.ts'
import type { Store } from '../store/store.ts'
import { createGuestReports } from './guest-reports.ts'
import type { ReconcilerPorts } from './reconciler.ts'

/** Hash of a template that no file has. */
export const inventedTemplate = 'ab'.repeat(32)

/**
 * What the loop of a test needs beside its contracts and its hypervisor: a real store, ports of a small range, an sshd that
 * answers at once, secrets that are none.
 */
export function testPorts(store: Store, clock: MovableClock): Omit<ReconcilerPorts, 'contracts' | 'hypervisor' | 'log'> {
  return {
    vms: store.vms,
    tasks: store.tasks,
    destroys: store.destroys,
    settings: store.settings,
    addresses: createAddressTable(embeddedPlan({ from: 20_000, to: 29_999 }), store.addresses),
    reports: createGuestReports(store.vms, clock),
    sshd: { waitForBanner: () => Promise.resolve() },
    clock,
    seed: { spkiSha256: 'c3BraQ==', statementKey: 'a2V5', userCa: 'ssh-ed25519 AAAA', guestNet: null },
    masterSecret: new Uint8Array(32).fill(7),
    template: () => Promise.resolve(inventedTemplate),
    taking: { waitSeconds: 86_400, destroysPerDayMinimum: 3 },
  }
}

/** A log that keeps its lines, each with the message of its cause. */
export function logInto(lines: string[]): NonNullable<ReconcilerPorts['log']> {
  return (line, cause) => void lines.push(cause instanceof Error ? `${line}: ${cause.message}` : line)
}
