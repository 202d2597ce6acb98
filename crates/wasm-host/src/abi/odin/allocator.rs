//! The allocator that a guest exports: `malloc` with `free`, or `alloc` with `dealloc`.

use wasmtime::{AsContextMut, Instance, TypedFunc};

use crate::{abi::HostStore, store::HostState};

/// What is asked for where the guest's allocator wants an alignment.
const ALIGNMENT: u32 = 8;

#[derive(Clone)]
pub(super) struct Allocator {
    allocate: Allocate,
    free: Free,
}

#[derive(Clone)]
enum Allocate {
    Size(TypedFunc<u32, u32>),
    SizeAlign(TypedFunc<(u32, u32), u32>),
}

#[derive(Clone)]
enum Free {
    /// The guest takes nothing back.
    Absent,
    Ptr(TypedFunc<u32, ()>),
    PtrSize(TypedFunc<(u32, u32), ()>),
    PtrSizeAlign(TypedFunc<(u32, u32, u32), ()>),
}

impl Allocator {
    /// That of a guest; none where it exports none of a type that is known.
    pub(super) fn of(instance: &Instance, store: &mut HostStore) -> Option<Self> {
        let known = [("malloc", ["free", "dealloc"]), ("alloc", ["dealloc", "free"])];
        let (allocate, frees) =
            known.into_iter().find_map(|(name, frees)| Some((Allocate::of(instance, store, name)?, frees)))?;
        let free = frees.into_iter().find_map(|name| Free::of(instance, store, name)).unwrap_or(Free::Absent);
        Some(Self { allocate, free })
    }

    /// Bytes of the guest's, or none when it gives the null pointer.
    pub(super) async fn allocate<S>(&self, mut store: S, size: u32) -> wasmtime::Result<Option<u32>>
    where
        S: AsContextMut<Data = HostState> + Send,
    {
        let ptr = match &self.allocate {
            Allocate::Size(allocate) => allocate.call_async(&mut store, size).await?,
            Allocate::SizeAlign(allocate) => allocate.call_async(&mut store, (size, ALIGNMENT)).await?,
        };
        Ok((ptr != 0).then_some(ptr))
    }

    pub(super) async fn free(&self, store: &mut HostStore, ptr: u32, size: u32) -> wasmtime::Result<()> {
        match &self.free {
            Free::Absent => Ok(()),
            Free::Ptr(free) => free.call_async(store, ptr).await,
            Free::PtrSize(free) => free.call_async(store, (ptr, size)).await,
            Free::PtrSizeAlign(free) => free.call_async(store, (ptr, size, ALIGNMENT)).await,
        }
    }
}

impl Allocate {
    fn of(instance: &Instance, store: &mut HostStore, name: &str) -> Option<Self> {
        let sized = instance.get_typed_func(&mut *store, name).map(Self::Size);
        sized.or_else(|_| instance.get_typed_func(store, name).map(Self::SizeAlign)).ok()
    }
}

impl Free {
    fn of(instance: &Instance, store: &mut HostStore, name: &str) -> Option<Self> {
        let by_pointer = instance.get_typed_func(&mut *store, name).map(Self::Ptr);
        by_pointer
            .or_else(|_| instance.get_typed_func(&mut *store, name).map(Self::PtrSize))
            .or_else(|_| instance.get_typed_func(&mut *store, name).map(Self::PtrSizeAlign))
            .ok()
    }
}
