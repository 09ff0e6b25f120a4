'use client'
import { useTexts } from '../../i18n/text-context.tsx'
import { Choice, TextField } from '../../ui/Field.tsx'
import type { FieldsProps } from './fields.ts'

interface Template {
  image?: string
  sha256?: string
}

/** The guest image: built on this host, or a file with its hash. */
export function TemplateFields({ value, onChange, wrong }: FieldsProps) {
  const { t } = useTexts()
  const template = value['template'] as Template
  const own = template.image !== undefined
  return (
    <>
      <Choice
        legend={t('setup.template.kind')}
        name="template"
        {...wrong('/template')}
        value={own ? 'file' : 'build'}
        onChange={(kind) => onChange({ template: kind === 'file' ? { image: '', sha256: '' } : {} })}
        options={[
          { value: 'build', label: t('setup.template.build'), detail: t('setup.template.buildText') },
          { value: 'file', label: t('setup.template.file'), detail: t('setup.template.fileText') },
        ]}
      />
      {own && (
        <>
          <TextField
            label={t('setup.template.image')}
            {...wrong('/template/image')}
            value={template.image ?? ''}
            onChange={(e) => onChange({ template: { ...template, image: e.target.value } })}
            autoComplete="off"
            spellCheck={false}
          />
          <TextField
            label={t('setup.template.sha256')}
            {...wrong('/template/sha256')}
            value={template.sha256 ?? ''}
            onChange={(e) => onChange({ template: { ...template, sha256: e.target.value.trim().toLowerCase() } })}
            autoComplete="off"
            spellCheck={false}
            className="font-mono"
          />
        </>
      )}
    </>
  )
}
