import { randomBytes } from 'node:crypto'
import { taskLogSchema, taskSchema } from '../api/schemas/tasks.ts'
import type { ApiClient } from '../cli/client.ts'
import { restoreFirst } from '../cli/send-backup.ts'
import { systemClock } from '../clock/clock.ts'
import { parseConfig } from '../config/load.ts'
import { AppError } from '../errors/app-error.ts'

/** `freehold apply` without a terminal: sends the answers and follows the task, a line per phase and log line. Throws `step-failed`. */
export async function applyAnswers(admin: ApiClient, answers: string, onLine: (line: string) => void): Promise<void> {
  const { restore } = parseConfig(answers, 'answers')
  if (restore !== undefined && (await restoreFirst(admin, restore)) !== null) onLine(`restored from ${restore.file}`)
  const { taskId } = await admin.call(taskSchema, 'POST', '/v1/setup', {
    body: { answers },
    headers: { 'idempotency-key': randomBytes(16).toString('hex') },
  })
  let seen = 0
  let last = ''
  for (;;) {
    const task = await admin.call(taskSchema, 'GET', `/v1/tasks/${taskId}`)
    const step = task.steps.find((s) => s.state === 'running')
    const line = step === undefined ? '' : step.name
    if (line !== '' && line !== last) onLine(`setup: ${line}`)
    last = line || last
    const { lines } = await admin.call(taskLogSchema, 'GET', `/v1/tasks/${taskId}/log`)
    for (const entry of lines.slice(seen)) onLine(`  ${entry.line}`)
    seen = lines.length
    if (task.state === 'done') return
    if (task.state !== 'running') {
      throw new AppError({
        code: 'step-failed',
        detail: task.error === null ? `Setup ended as ${task.state}.` : `${task.error.title}. ${task.error.detail}`,
        ...(task.error !== null && { hint: task.error.hint }),
      })
    }
    await systemClock.wait(250)
  }
}
