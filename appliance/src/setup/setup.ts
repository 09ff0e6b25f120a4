import type { Step } from '../steps/step.ts'
import type { SetupContext } from './context.ts'
import { backupStep } from './steps/backup.ts'
import { chain } from './steps/chain.ts'
import { contracts, storefrontCheck } from './steps/contracts.ts'
import { hypervisorStep, plans, storage, template } from './steps/machine.ts'
import { ipv6Step } from './steps/ipv6.ts'
import { handOver } from './steps/hand-over.ts'
import { preflight } from './steps/preflight.ts'
import { restoredStep } from './steps/restored.ts'
import { uplinkStep } from './steps/uplink.ts'
import { proxmoxEnrolment } from './steps/proxmox-enrolment.ts'
import { tlsStep } from './steps/tls.ts'
import { start } from './steps/start.ts'
import { wasmStep } from './steps/wasm.ts'

/** The steps of setup in order: the wizard, `freehold apply` and the unattended install run these same objects (design §10). */
export const setupSteps: readonly Step<SetupContext>[] = [
  restoredStep,
  uplinkStep,
  preflight,
  proxmoxEnrolment,
  hypervisorStep,
  storage,
  template,
  plans,
  chain,
  contracts,
  tlsStep,
  storefrontCheck,
  wasmStep,
  start,
  ipv6Step,
  backupStep,
  handOver,
]

/** What a person may go on without when it fails (W12). */
export const skippableSteps: readonly string[] = setupSteps.filter((step) => step.skippable === true).map(({ name }) => name)
