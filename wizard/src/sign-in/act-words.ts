import type { LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'

/** An act as the catalogue names it; every certificate is one. */
export type ActName = 'shell' | 'session' | 'console' | 'reinstall' | 'rollback' | 'certificate'

export function actOf(view: Pick<LoginRequestView, 'act'>): ActName {
  switch (view.act) {
    case 'shell':
    case 'session':
    case 'console':
    case 'reinstall':
    case 'rollback':
      return view.act
    default:
      return 'certificate'
  }
}

/** Asked for by a terminal and nothing else: the words say so. The others may come from a browser as well. */
export function isTerminalOnly(act: ActName): boolean {
  return act === 'shell' || act === 'certificate'
}
