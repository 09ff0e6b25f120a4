import { AppError } from '../errors/app-error.ts'
import type { ApiPorts, OperatorDesk } from './ports.ts'

/** What the operator's routes work with. Throws `not-in-this-state` before the host is set up. */
export function deskOf(ports: Pick<ApiPorts, 'desk'>): OperatorDesk {
  const desk = ports.desk?.()
  if (desk !== undefined) return desk
  throw new AppError({ code: 'not-in-this-state', detail: 'This host is not set up yet.', hint: 'Finish setup first.' })
}
