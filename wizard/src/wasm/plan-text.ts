import { gibibytes, mebibytes } from '../format/size.ts'
import type { Texts } from '../i18n/text-context.tsx'

/** What a plan or a subscription is made of: a machine, or gas a day where it has none. */
export interface Machine {
  vcpus: number
  memoryMiB: number
  diskGiB: number
  gasPerDay: string
}

/** True for what runs WebAssembly: it has no machine of its own. */
export function isWasm({ vcpus }: Pick<Machine, 'vcpus'>): boolean {
  return vcpus === 0
}

/** The lines that say what is bought. */
export function machineParts(machine: Machine, { t, locale }: Pick<Texts, 't' | 'locale'>): string[] {
  if (isWasm(machine)) {
    return [t('wasm.plan.gas', { gas: new Intl.NumberFormat(locale).format(BigInt(machine.gasPerDay)) }), t('wasm.plan.programs')]
  }
  return [
    t('plan.vcpus', { count: machine.vcpus }),
    t('plan.memory', { size: mebibytes(machine.memoryMiB, locale) }),
    t('plan.disk', { size: gibibytes(machine.diskGiB, locale) }),
  ]
}
