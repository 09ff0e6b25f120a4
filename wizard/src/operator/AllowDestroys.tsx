'use client'
import { useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Modal } from '../ui/Modal.tsx'
import { usePress } from '../ui/use-press.ts'
import { operatorApi, type Issues } from './operator-api.ts'
import { VmLink } from './VmLink.tsx'

/** As many as one call lets through; the others still wait behind it. */
const atOnce = 1000

/** The fix of `destroys-waiting`: first its plan, which VMs go and what does not come back, then the press (O4). */
export function AllowDestroys({ waiting, onDone }: { waiting: Issues; onDone(done: string): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  // what was shown is what is allowed, also if more come to wait meanwhile
  const [plan, setPlan] = useState<readonly string[]>()
  return (
    <>
      <Button
        onClick={() => setPlan([...new Set(waiting.map((issue) => issue.subject))].slice(0, atOnce))}
        disabledReason={lost ? t('link.lost.reason') : undefined}
      >
        {t('operator.issues.allowDestroys')}
      </Button>
      {plan !== undefined && <Plan vmIds={plan} onDone={onDone} onClose={() => setPlan(undefined)} />}
    </>
  )
}

function Plan({ vmIds, onDone, onClose }: { vmIds: readonly string[]; onDone(done: string): void; onClose(): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const { busy, error, press } = usePress()
  const allow = () =>
    press(async () => {
      const done = await operatorApi.fix('destroys-waiting', vmIds)
      onClose()
      onDone(done)
    })
  return (
    <Modal title={t('operator.issues.destroys.title')} held={busy} onClose={onClose}>
      <div className="space-y-2">
        <p className="font-medium">{t('operator.issues.destroys.which', { count: vmIds.length })}</p>
        <ul className="list-disc space-y-1 pl-5 break-words">
          {vmIds.map((vmId) => (
            <li key={vmId}>
              <VmLink vmId={vmId} />
            </li>
          ))}
        </ul>
      </div>
      <p>{t('operator.issues.destroys.lost')}</p>
      <p className="text-soft">{t('operator.issues.destroys.kept')}</p>
      {error !== undefined && <ErrorBox error={error} focus />}
      <div className="flex flex-wrap justify-end gap-3">
        <Button look="secondary" onClick={onClose}>
          {t('operator.issues.destroys.wait')}
        </Button>
        <Button
          look="danger"
          onClick={allow}
          busy={busy ? t('common.loading') : undefined}
          disabledReason={lost ? t('link.lost.reason') : undefined}
        >
          {t('operator.issues.destroys.confirm')}
        </Button>
      </div>
    </Modal>
  )
}
