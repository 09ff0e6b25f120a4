'use client'
import { Dialog } from '@base-ui/react/dialog'
import type { ReactNode } from 'react'

/** A question over the page. Escape and a press beside it close it, unless `held`: what was begun is on its way. */
export function Modal({
  title,
  held,
  onClose,
  children,
}: {
  title: string
  held: boolean
  onClose(): void
  children: ReactNode
}) {
  return (
    <Dialog.Root open onOpenChange={(open) => !open && !held && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 bg-black/50" />
        <Dialog.Popup className="fixed inset-x-0 top-1/2 mx-auto max-h-[calc(100dvh-2rem)] w-[calc(100%-2rem)] max-w-lg -translate-y-1/2 space-y-5 overflow-y-auto rounded-2xl border border-line bg-card p-5 text-ink sm:p-7">
          <Dialog.Title className="text-xl font-semibold tracking-tight">{title}</Dialog.Title>
          {children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
