'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { Choice } from '../../ui/Field.tsx'
import type { DiskPlace } from '../resources.ts'
import type { Wrong } from './fields.ts'

const gib = 2 ** 30

/** Places for disks with their room and what lies there, one of which is chosen. A full disk under the host's state is told. */
export function DiskPlaces({
  places,
  value,
  onChange,
  ...wrong
}: {
  places: readonly DiskPlace[]
  value: string
  onChange(place: string): void
} & Partial<Wrong>) {
  const { t } = useTexts()
  const known = places.some((one) => one.place === value)
  if (places.length === 0) return null
  return (
    <Choice
      legend={t('setup.storage.where')}
      hint={t('setup.storage.hint')}
      name="disk-place"
      value={known ? value : ''}
      onChange={onChange}
      {...wrong}
      options={places.map((one) => ({
        value: one.place,
        label: <span className="font-mono break-all">{one.place}</span>,
        detail: (
          <>
            {t('setup.storage.room', {
              kind: one.kind,
              free: Math.floor(one.freeBytes / gib),
              total: Math.floor(one.totalBytes / gib),
            })}
            <span className="block break-words">
              {one.holds.length === 0 ? t('setup.storage.empty') : t('setup.storage.holds', { what: one.holds.join(', ') })}
            </span>
            {one.refused !== null && <span className="block font-medium text-warn">{t(`setup.storage.${one.refused}`)}</span>}
          </>
        ),
      }))}
    />
  )
}
