import { vmIdOf } from '../chain/installation.ts'
import type { AppError } from '../errors/app-error.ts'
import type { JobFailure } from './jobs.ts'
import type { StandingIssue } from './standing-issues.ts'
import type { ServedContract } from './vm-work.ts'
import type { World } from './world.ts'
import type { Action } from '../subscriptions/decide.ts'

type Found = Omit<StandingIssue, 'since'>

/** What stands because of the world as a whole: contracts that cannot be read, a silent hypervisor, another's key. */
export function hostIssues(world: World, contracts: readonly ServedContract[]): Found[] {
  const issues: Found[] = world.unreadable.map(({ installation, error }) => ({
    code: 'chain-unreachable',
    subject: installation,
    detail: error.detail,
  }))
  if (world.hypervisorError !== undefined) {
    issues.push({ code: 'hypervisor-down', subject: 'host', detail: hypervisorDetail(world.hypervisorError) })
  }
  for (const { provisioner, snapshot } of world.contracts) {
    if (!provisioner) {
      issues.push({
        code: 'not-provisioner',
        subject: snapshot.installation,
        detail: `The contract names ${snapshot.provisioner} as provisioner.`,
      })
    }
  }
  const served = new Set(contracts.map((c) => c.reader.installation))
  for (const { key } of world.records?.values() ?? []) {
    if (!served.has(key.installation)) {
      const id = vmIdOf(key)
      issues.push({
        code: 'unknown-contract',
        subject: id,
        detail: `No contract ${key.installation} is configured on this host.`,
      })
    }
  }
  return issues
}

/** Why nothing can be asked of the hypervisor. A fault of its own, such as a pool that is not mounted, has a way out of its own. */
export function hypervisorDetail(error: AppError | undefined): string {
  if (error === undefined) return 'It gave no answer.'
  return error.code === 'hypervisor-down' ? error.detail : `${error.detail} ${error.hint}`
}

/** What stands because the last job of a VM failed. */
export function failingIssue(action: Action, failure: JobFailure | undefined): { code: string; detail: string } | undefined {
  if (failure === undefined) return undefined
  const creating = action.kind === 'create' || action.kind === 'continue-create' || action.kind === 'reinstall-before-activate'
  return { code: creating ? 'purchase-waiting' : 'vm-work-failing', detail: `${failure.detail} Tried ${failure.failures} times.` }
}

/** What stands because a former generation could not be taken away yet. */
export function removalIssue(failure: JobFailure | undefined): { code: string; detail: string } | undefined {
  return (
    failure && {
      code: 'vm-work-failing',
      detail: `The former disk is still there. ${failure.detail} Tried ${failure.failures} times.`,
    }
  )
}

/** What the last read for taking left in doubt. */
export function doubtOf(doubt: Extract<Action, { kind: 'nothing' }> | undefined): { code: string; detail: string } | undefined {
  return doubt?.issue === undefined ? undefined : { code: doubt.issue, detail: sentence(doubt.why) }
}

/** Words of the rule as a sentence for people. */
export function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}
