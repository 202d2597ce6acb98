use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use super::*;

const PATIENT: Duration = Duration::from_secs(20);

async fn go_on<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static, computes: bool) -> Computed<T> {
    ComputeThreads::new().go_on(Box::pin(call), PATIENT, move || computes).await
}

#[test]
fn the_last_call_of_a_phase_tells_how_the_next_begins() {
    let phases = ComputingPhases::default();
    phases.learn(Phase::Request, true);
    assert!(phases.contains(Phase::Request) && !phases.contains(Phase::Tick));
    phases.learn(Phase::Tick, true);
    phases.learn(Phase::Request, false);
    assert!(!phases.contains(Phase::Request) && phases.contains(Phase::Tick));
}

/// Pending so often.
fn slices<T: Clone>(count: usize, output: T) -> impl Future<Output = T> {
    let mut left = count;
    poll_fn(move |_| match left.checked_sub(1) {
        Some(less) => {
            left = less;
            Poll::Pending
        }
        None => Poll::Ready(output.clone()),
    })
}

#[tokio::test]
async fn computes_on_another_thread_until_it_is_done() {
    let home = thread::current().id();
    let call = async move {
        assert_ne!(thread::current().id(), home);
        slices(3, ()).await;
        Handle::current();
        7
    };
    assert!(matches!(go_on(call, true).await, Computed::Done(7)));
}

#[tokio::test]
async fn what_waits_comes_back() {
    let Computed::Back(call) = go_on(slices(1, 7), false).await else { panic!("it waits") };
    assert_eq!(call.await, 7);
}

#[tokio::test]
async fn a_backend_is_asked_at_home() {
    let here = thread::current().id();
    let call = async move {
        home().await;
        assert_eq!(thread::current().id(), here);
        7
    };
    let Computed::Back(call) = go_on(call, false).await else { panic!("it has been asked elsewhere") };
    assert_eq!(call.await, 7);
}

#[tokio::test]
async fn a_panic_is_that_of_the_caller() {
    let call = async { assert!(thread::panicking(), "on purpose") };
    let caller = tokio::spawn(async move { matches!(go_on(call, true).await, Computed::Done(())) });
    assert!(caller.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_dropped() {
    struct Noted(Arc<AtomicBool>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let is_dropped = Arc::new(AtomicBool::new(false));
    let noted = Noted(Arc::clone(&is_dropped));
    let threads = ComputeThreads::new();
    let endless: Underway<()> = Box::pin(async move {
        let _noted = noted;
        slices(usize::MAX, ()).await;
    });
    let left = time::timeout(Duration::from_millis(20), threads.go_on(endless, PATIENT, || true)).await;
    assert!(left.is_err() && is_dropped.load(SeqCst));
}

/// All threads are held up: its turn does not come.
#[tokio::test]
async fn what_is_late_waits_for_no_turn() {
    let threads = Arc::new(ComputeThreads::new());
    let (release, held) =
        (0..threads.0.bound).map(|_| std::sync::mpsc::channel::<()>()).unzip::<_, _, Vec<_>, Vec<_>>();
    let hogs: Vec<_> = held
        .into_iter()
        .map(|held| {
            let threads = Arc::clone(&threads);
            let hog: Underway<()> = Box::pin(async move { _ = held.recv() });
            tokio::spawn(async move { drop(threads.go_on(hog, PATIENT, || true).await) })
        })
        .collect();
    while threads.0.jobs.lock().threads < threads.0.bound || !threads.0.jobs.lock().waiting.is_empty() {
        tokio::task::yield_now().await;
    }
    let late = threads.go_on(Box::pin(async { 7 }), Duration::from_millis(5), || true);
    let late = time::timeout(PATIENT, late).await.expect("it still waits");
    let Computed::Back(call) = late else { panic!("a thread has taken it") };
    assert_eq!(call.await, 7);
    drop(release);
    for hog in hogs {
        hog.await.unwrap();
    }
}

#[tokio::test]
async fn more_calls_than_threads_take_turns() {
    let threads = Arc::new(ComputeThreads::new());
    let done = Arc::new(AtomicUsize::new(0));
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let (threads, done) = (Arc::clone(&threads), Arc::clone(&done));
            tokio::spawn(async move {
                let computed = threads.go_on(Box::pin(slices(100, ())), PATIENT, || true).await;
                done.fetch_add(usize::from(matches!(computed, Computed::Done(()))), SeqCst);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(done.load(SeqCst), 64);
}
