/** One step of work on a subject. `check` asks the world, not our notes; running twice equals running once. */
export interface Step<Context> {
  /** Stable kebab-case name; persisted. */
  name: string
  /** Expected seconds, for progress. */
  estimateSeconds: number
  /** True if the world already is as `run` would make it. */
  check(context: Context): Promise<boolean>
  run(context: Context, io: StepIo): Promise<void>
  /** Takes back what `run` did; absent where there is nothing to take back. May be called after a half-done `run`. */
  undo?(context: Context, io: StepIo): Promise<void>
  /** A person may go on without it when it fails; absent: nothing works without it. */
  skippable?: true
}

/** What a step may use to tell how it goes and to learn that it should stop. */
export interface StepIo {
  signal: AbortSignal
  /** One line for the log of the task; written for people, without secrets. */
  readonly log: (line: string) => void
  readonly progress: (phase: string, share?: number) => void
}

export type StepState = 'waiting' | 'running' | 'done' | 'failed' | 'skipped' | 'undoing' | 'undone'

/** A job of steps as persisted and as shown: a task. */
export interface TaskRecord {
  taskId: string
  /** What it does: `create`, `suspend`, `setup`, … */
  kind: string
  /** What it is about: a vmId, or `host`. */
  subject: string
  state: 'running' | 'done' | 'failed' | 'undone' | 'interrupted'
  /** The steps in order. */
  steps: readonly { name: string; state: StepState; startedAt: number | null; endedAt: number | null; phase: string | null }[]
  error: { code: string; title: string; detail: string; hint: string } | null
  /** How often it was tried. */
  attempt: number
  createdAt: number
  endedAt: number | null
}
