import { z } from 'zod'
import { pageOf, unixSecondsSchema } from './values.ts'

export const stepStateSchema = z.enum(['waiting', 'running', 'done', 'failed', 'skipped', 'undoing', 'undone'])

/** A task: GET /v1/tasks/{taskId}; GET /v1/tasks/{taskId}/events sends the same object as SSE `task` events and log lines as `log`. */
export const taskSchema = z.strictObject({
  taskId: z.string(),
  kind: z.string(),
  subject: z.string(),
  state: z.enum(['running', 'done', 'failed', 'undone', 'interrupted']),
  steps: z.array(
    z.strictObject({
      name: z.string(),
      state: stepStateSchema,
      startedAt: unixSecondsSchema.nullable(),
      endedAt: unixSecondsSchema.nullable(),
      phase: z.string().nullable(),
    }),
  ),
  error: z.strictObject({ code: z.string(), title: z.string(), detail: z.string(), hint: z.string() }).nullable(),
  attempt: z.number().int(),
  createdAt: unixSecondsSchema,
  endedAt: unixSecondsSchema.nullable(),
})
export type TaskView = z.output<typeof taskSchema>
export const tasksPageSchema = pageOf(taskSchema)
export const taskLogSchema = z.strictObject({ lines: z.array(z.strictObject({ at: unixSecondsSchema, line: z.string() })) })
