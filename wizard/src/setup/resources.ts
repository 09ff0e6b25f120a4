import { piecesSchema, restoredSchema, restoreStateSchema } from '@freehold/appliance/api/schemas/restore'
import {
  answerFileSchema,
  changesSchema,
  checksSchema,
  enrolledSchema,
  enrolmentPlanSchema,
  enteredSchema,
  entrySchema,
  networkSchema,
  sectionSchema,
  setupLogSchema,
  storagesSchema,
  triedNetworkSchema,
  wizardSchema,
  type sectionNames,
} from '@freehold/appliance/api/schemas/setup-wizard'
import { taskSchema } from '@freehold/appliance/api/schemas/tasks'
import { z } from 'zod'
import { callApi } from '../api/client.ts'

export type SectionName = (typeof sectionNames)[number]
export type WizardView = z.output<typeof wizardSchema>
export type SectionView = z.output<typeof sectionSchema>
export type Check = z.output<typeof checksSchema>['checks'][number]
export type Change = z.output<typeof changesSchema>['changes'][number]
export type LogLine = z.output<typeof setupLogSchema>['lines'][number]
export type DiskPlace = z.output<typeof storagesSchema>['places'][number]
export type EnrolmentPlan = z.output<typeof enrolmentPlanSchema>
export type NetworkView = z.output<typeof networkSchema>
/** An answer as it travels; its form is the host's. */
export type Value = Record<string, unknown>

/** The calls of the wizard. All throw as callApi does. */
export const setupApi = {
  entry: (signal?: AbortSignal) => callApi(entrySchema, 'GET', '/v1/setup/entry', { signal }),
  enter: (code: string) => callApi(enteredSchema, 'POST', '/v1/setup/entry', { body: { code } }),
  view: (signal?: AbortSignal) => callApi(wizardSchema, 'GET', '/v1/setup/wizard', { signal }),
  answer: (name: SectionName, revision: number, value: Value) =>
    callApi(sectionSchema, 'PUT', `/v1/setup/answers/${name}`, { body: { revision, value } }),
  check: (name: SectionName, value: Value, signal: AbortSignal) =>
    callApi(checksSchema, 'POST', `/v1/setup/checks/${name}`, { body: { value }, signal }),
  storages: (signal?: AbortSignal) => callApi(storagesSchema, 'GET', '/v1/setup/storages', { signal }),
  planEnrolment: (body: unknown) => callApi(enrolmentPlanSchema, 'POST', '/v1/setup/enrolment/plan', { body }),
  enrol: (body: unknown) => callApi(enrolledSchema, 'POST', '/v1/setup/enrolment', { body }),
  network: (signal?: AbortSignal) => callApi(networkSchema, 'GET', '/v1/setup/network', { signal }),
  tryNetwork: (uplink: unknown) => callApi(triedNetworkSchema, 'POST', '/v1/setup/network/try', { body: { uplink } }),
  confirmNetwork: () => callApi(sectionSchema, 'POST', '/v1/setup/network/confirm', { body: {} }),
  review: (signal?: AbortSignal) => callApi(changesSchema, 'GET', '/v1/setup/review', { signal }),
  answerFile: () => callApi(answerFileSchema, 'GET', '/v1/setup/answer-file'),
  run: (skip: readonly string[] = []) => callApi(taskSchema, 'POST', '/v1/setup/run', { body: { skip } }),
  undo: () => callApi(taskSchema, 'POST', '/v1/setup/undo', { body: {} }),
  restoreState: () => callApi(restoreStateSchema, 'GET', '/v1/setup/restore', { patienceMs: 5000 }),
  restorePiece: (offset: number, data: string) =>
    callApi(piecesSchema, 'POST', '/v1/setup/restore/pieces', { body: { offset, data } }),
  restore: (key: string) => callApi(restoredSchema, 'POST', '/v1/setup/restore', { body: { key } }),
  log: (after: number, signal?: AbortSignal) => callApi(setupLogSchema, 'GET', `/v1/setup/log?after=${after}`, { signal }),
  walletSent: (hash: string) => callApi(z.unknown(), 'POST', '/v1/setup/wallet-transaction', { body: { hash } }),
}
