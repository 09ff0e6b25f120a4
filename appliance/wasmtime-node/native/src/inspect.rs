use napi::bindgen_prelude::{Error, Result, Status};
use napi_derive::napi;
use wasmparser::{Operator, Parser, Payload, TypeRef};

/// What a module asks for and how large it is, without compiling it: linear in its bytes.
#[napi(object)]
#[derive(Default)]
pub struct Inspection {
    /// `module.name kind` of each import.
    pub imports: Vec<String>,
    pub types: u32,
    pub functions: u32,
    /// Deepest nesting of blocks in any function.
    pub deepest_nesting: u32,
    /// Most locals of any function, parameters left out.
    pub most_locals: u32,
    /// Most targets of any `br_table`.
    pub most_targets: u32,
    pub memories: u32,
    /// Pages that the memory begins with.
    pub minimum_pages: f64,
    pub memory64: bool,
    pub tables: u32,
    /// Elements that the largest table begins with.
    pub minimum_elements: f64,
    pub custom_bytes: f64,
    pub has_start: bool,
}

pub fn inspect(bytes: &[u8]) -> Result<Inspection> {
    walk(bytes).map_err(|error| Error::new(Status::InvalidArg, format!("{error}")))
}

fn walk(bytes: &[u8]) -> std::result::Result<Inspection, wasmparser::BinaryReaderError> {
    let mut found = Inspection::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::TypeSection(section) => found.types = section.count(),
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let kind = match import.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => "function",
                        TypeRef::Table(_) => "table",
                        TypeRef::Memory(_) => "memory",
                        TypeRef::Global(_) => "global",
                        TypeRef::Tag(_) => "tag",
                    };
                    found.imports.push(format!("{}.{} {kind}", import.module, import.name));
                }
            }
            Payload::FunctionSection(section) => found.functions = section.count(),
            Payload::TableSection(section) => {
                found.tables = section.count();
                for table in section {
                    found.minimum_elements = found.minimum_elements.max(table?.ty.initial as f64);
                }
            }
            Payload::MemorySection(section) => {
                found.memories = section.count();
                for memory in section {
                    let memory = memory?;
                    found.memory64 |= memory.memory64;
                    found.minimum_pages = found.minimum_pages.max(memory.initial as f64);
                }
            }
            Payload::StartSection { .. } => found.has_start = true,
            Payload::CustomSection(section) => found.custom_bytes += section.data().len() as f64,
            Payload::CodeSectionEntry(body) => {
                let mut locals: u32 = 0;
                for local in body.get_locals_reader()? {
                    locals = locals.saturating_add(local?.0);
                }
                found.most_locals = found.most_locals.max(locals);
                let mut depth: u32 = 0;
                for operator in body.get_operators_reader()? {
                    match operator? {
                        Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                            depth += 1;
                            found.deepest_nesting = found.deepest_nesting.max(depth);
                        }
                        Operator::End => depth = depth.saturating_sub(1),
                        Operator::BrTable { targets } => {
                            found.most_targets = found.most_targets.max(targets.len())
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}
