'use client'
import type { LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { useHost } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { usePress } from '../ui/use-press.ts'
import { plainCode } from './plain-code.ts'

/** Refuses at once; the waiting login ends wherever it waits (A3). Offered until what was asked for has been taken. */
export function NotMe({ view, onDenied }: { view: LoginRequestView; onDenied(): void }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const { busy, error, press } = usePress()

  const refuse = () =>
    press(async () => {
      await api.deny(plainCode(view.code))
      onDenied()
    })

  return (
    <div className="space-y-3">
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button
        look="secondary"
        onClick={refuse}
        busy={busy ? t('common.loading') : undefined}
        disabledReason={lost ? t('link.lost.reason') : undefined}
      >
        {t('signIn.notMe')}
      </Button>
    </div>
  )
}
