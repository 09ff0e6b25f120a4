import { auditPageSchema } from '@freehold/appliance/api/schemas/audit'
import { backupSchema, backupsSchema, type BackupShown, type BackupsShown } from '@freehold/appliance/api/schemas/backups'
import { alertsSchema, alertTestSchema, type AlertTest } from '@freehold/appliance/api/schemas/alerts'
import { issuesSchema } from '@freehold/appliance/api/schemas/issues'
import {
  fixSchema,
  hostSchema,
  moneyEntriesSchema,
  moneySchema,
  nextKeySchema,
  overviewSchema,
  rentalsSchema,
  vmMetricsSchema,
  type Host,
  type Money,
  type MoneyFigure,
  type Overview,
  type Rental,
  type VmMetricsView,
} from '@freehold/appliance/api/schemas/operator'
import { ratesSchema, type FiatRate } from '@freehold/appliance/api/schemas/status'
import { taskLogSchema, taskSchema, tasksPageSchema, type TaskView } from '@freehold/appliance/api/schemas/tasks'
import type { AlertChannelInput } from '@freehold/appliance/health/alerts/channel-schema'
import { z } from 'zod'
import { callApi } from '../api/client.ts'

export type AuditPage = z.output<typeof auditPageSchema>
export type TasksPage = z.output<typeof tasksPageSchema>
export type Entries = z.output<typeof moneyEntriesSchema>
export type Alerts = z.output<typeof alertsSchema>
export type Issues = z.output<typeof issuesSchema>['issues']

function query(values: Record<string, string | undefined>): string {
  const set = Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== '')
  return set.length === 0 ? '' : `?${new URLSearchParams(set).toString()}`
}

/** The calls of the operator's pages. All throw as callApi does: `not-allowed` for whoever does not hold pass 0. */
export const operatorApi = {
  overview: (signal?: AbortSignal): Promise<Overview> => callApi(overviewSchema, 'GET', '/v1/overview', { signal }),
  rentals: async (signal?: AbortSignal): Promise<Rental[]> =>
    (await callApi(rentalsSchema, 'GET', '/v1/rentals', { signal })).rentals,
  host: (signal?: AbortSignal): Promise<Host> => callApi(hostSchema, 'GET', '/v1/host', { signal }),
  makeNextKey: async (): Promise<string> =>
    (await callApi(nextKeySchema, 'POST', '/v1/host/provisioner-key', { body: {} })).address,
  money: (signal?: AbortSignal): Promise<Money> => callApi(moneySchema, 'GET', '/v1/money', { signal }),
  entries: (figure: MoneyFigure | undefined, cursor: string | undefined, signal?: AbortSignal): Promise<Entries> =>
    callApi(moneyEntriesSchema, 'GET', `/v1/money/entries${query({ limit: '25', figure, cursor })}`, { signal }),
  issues: async (signal?: AbortSignal): Promise<Issues> => (await callApi(issuesSchema, 'GET', '/v1/issues', { signal })).issues,
  fix: async (code: string, subjects: readonly string[]): Promise<string> =>
    (await callApi(fixSchema, 'POST', `/v1/issues/${encodeURIComponent(code)}/fixes`, { body: { subjects } })).done,
  tasks: (subject: string | undefined, cursor: string | undefined, signal?: AbortSignal): Promise<TasksPage> =>
    callApi(tasksPageSchema, 'GET', `/v1/tasks${query({ subject, cursor })}`, { signal }),
  task: (taskId: string, signal?: AbortSignal): Promise<TaskView> =>
    callApi(taskSchema, 'GET', `/v1/tasks/${encodeURIComponent(taskId)}`, { signal }),
  taskLog: (taskId: string, signal?: AbortSignal): Promise<z.output<typeof taskLogSchema>> =>
    callApi(taskLogSchema, 'GET', `/v1/tasks/${encodeURIComponent(taskId)}/log`, { signal }),
  audit: (target: string | undefined, cursor: string | undefined, signal?: AbortSignal): Promise<AuditPage> =>
    callApi(auditPageSchema, 'GET', `/v1/audit${query({ target, cursor })}`, { signal }),
  alerts: (signal?: AbortSignal): Promise<Alerts> => callApi(alertsSchema, 'GET', '/v1/alerts', { signal }),
  putAlerts: (channels: readonly AlertChannelInput[]): Promise<Alerts> =>
    callApi(alertsSchema, 'PUT', '/v1/alerts', { body: { channels } }),
  testAlert: (channelId: string): Promise<AlertTest> =>
    callApi(alertTestSchema, 'POST', `/v1/alerts/${encodeURIComponent(channelId)}/test`, { body: {} }),
  setRate: async (token: string, currency: string, rate: string): Promise<FiatRate[]> =>
    (await callApi(ratesSchema, 'PUT', `/v1/rates/${token}`, { body: { currency, rate } })).rates,
  removeRate: async (token: string): Promise<FiatRate[]> => (await callApi(ratesSchema, 'DELETE', `/v1/rates/${token}`)).rates,
  backups: (signal?: AbortSignal): Promise<BackupsShown> => callApi(backupsSchema, 'GET', '/v1/backups', { signal }),
  makeBackup: (): Promise<BackupShown> => callApi(backupSchema, 'POST', '/v1/backups', { body: {} }),
  verifyBackup: (name: string): Promise<BackupShown> =>
    callApi(backupSchema, 'POST', `/v1/backups/${encodeURIComponent(name)}/verify`, { body: {} }),
  vmMetrics: (vmId: string, signal?: AbortSignal): Promise<VmMetricsView> =>
    callApi(vmMetricsSchema, 'GET', `/v1/vms/${encodeURIComponent(vmId)}/metrics`, { signal }),
  openApi: (signal?: AbortSignal): Promise<OpenApi> => callApi(openApiSchema, 'GET', '/v1/openapi.json', { signal }),
}

const operation = z.looseObject({
  description: z.string().optional(),
  parameters: z.array(z.looseObject({ name: z.string(), in: z.string(), required: z.boolean().optional() })).optional(),
  requestBody: z.unknown().optional(),
  responses: z.record(z.string(), z.unknown()).optional(),
})
const openApiSchema = z.looseObject({
  openapi: z.string(),
  paths: z.record(z.string(), z.record(z.string(), operation)),
})
export type OpenApi = z.output<typeof openApiSchema>
