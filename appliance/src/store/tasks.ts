import type { UnixSeconds } from '../clock/clock.ts'
import type { TaskRecord } from '../steps/step.ts'
import type { Task } from '../generated/prisma/client.ts'
import type { Database } from './database.ts'
import { column, fromJson, seconds, toJson } from './json.ts'
import { pageBySeq, type Page, type PageQuery } from './page.ts'

/** One line of a task's log. `seq` grows over all tasks. */
export interface TaskLine {
  seq: number
  at: UnixSeconds
  line: string
}

/** How many lines a task keeps: the oldest go first. */
export const linesPerTask = 500
const lineLength = 2000

/** Jobs of steps as the runner persists them, before and after each step. */
export interface TaskRepository {
  put(task: TaskRecord): Promise<void>
  get(taskId: string): Promise<TaskRecord | undefined>
  /** Newest first. */
  list(query?: PageQuery & { subject?: string }): Promise<Page<TaskRecord>>
  /** Those in state `running` or `interrupted`, oldest first: what a restart takes up or ends. */
  unfinished(): Promise<TaskRecord[]>
  appendLog(taskId: string, line: string): Promise<void>
  /** Lines after `seq` (0: from the start), oldest first. */
  logSince(taskId: string, seq?: number): Promise<TaskLine[]>
}

function toRow(task: TaskRecord): Omit<Task, 'seq'> {
  return {
    taskId: task.taskId,
    kind: task.kind,
    subject: task.subject,
    state: task.state,
    steps: toJson(task.steps),
    error: task.error === null ? null : toJson(task.error),
    attempt: task.attempt,
    createdAt: BigInt(task.createdAt),
    endedAt: column(task.endedAt),
  }
}

function fromRow(row: Task): TaskRecord {
  return {
    taskId: row.taskId,
    kind: row.kind,
    subject: row.subject,
    state: row.state as TaskRecord['state'],
    steps: fromJson<TaskRecord['steps']>(row.steps),
    error: row.error === null ? null : fromJson<NonNullable<TaskRecord['error']>>(row.error),
    attempt: row.attempt,
    createdAt: Number(row.createdAt),
    endedAt: seconds(row.endedAt),
  }
}

export function createTasks(db: Database): TaskRepository {
  return {
    async put(task) {
      const row = toRow(task)
      await db.queries.task.upsert({ where: { taskId: task.taskId }, create: row, update: row })
    },
    async get(taskId) {
      const row = await db.queries.task.findUnique({ where: { taskId } })
      return row === null ? undefined : fromRow(row)
    },
    list({ subject, ...query } = {}) {
      return pageBySeq(
        query,
        (below, take) =>
          db.queries.task.findMany({
            where: { seq: { lt: below }, ...(subject !== undefined && { subject }) },
            orderBy: { seq: 'desc' },
            take,
          }),
        fromRow,
      )
    },
    async unfinished() {
      return (
        await db.queries.task.findMany({ where: { state: { in: ['running', 'interrupted'] } }, orderBy: { seq: 'asc' } })
      ).map(fromRow)
    },
    async appendLog(taskId, line) {
      await db.transaction(async (queries) => {
        await queries.taskLine.create({ data: { taskId, at: BigInt(db.clock.now()), line: line.slice(0, lineLength) } })
        const [oldest] = await queries.taskLine.findMany({
          where: { taskId },
          orderBy: { seq: 'desc' },
          skip: linesPerTask,
          take: 1,
          select: { seq: true },
        })
        if (oldest !== undefined) await queries.taskLine.deleteMany({ where: { taskId, seq: { lte: oldest.seq } } })
      })
    },
    async logSince(taskId, seq = 0) {
      const rows = await db.queries.taskLine.findMany({ where: { taskId, seq: { gt: seq } }, orderBy: { seq: 'asc' } })
      return rows.map((row) => ({ seq: row.seq, at: Number(row.at), line: row.line }))
    },
  }
}
