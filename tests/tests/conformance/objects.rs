//! Cases of every type that has names: what is done in one place is there in the others, names, handles, and the owner's end.

use callboard::{
    Array, Barrier, Condition, Counter, Dict, DictOptions, Event, EventOptions, Host, Latch, LifoQueue, List,
    ListOptions, Lock, Manager, NameError, Node, Object, PipeReceiver, PriorityQueue, Queue, QueueOptions,
    ReentrantLock, Region, Register, RegisterOptions, RwLock, Semaphore, Serve, Served, Set, SetOptions,
    Value,
};
use callboard_tests::{PATIENCE, eventually};

use crate::place::Place;
use crate::sample::{Ended, Sample};

fn gives<O: Sample>(_: &Node, (object, numbers): (O, Vec<u64>)) {
    numbers.into_iter().for_each(|n| object.give(n));
}

fn takes<O: Sample>(_: &Node, (object, count): (O, usize)) -> Vec<u64> {
    object.numbers(count)
}

/// Owns an object until it is told to end.
fn owns<O: Sample>(node: &Node, (name, end): (String, Event)) {
    let _object: O = node.create(&name, O::options()).unwrap();
    end.wait().unwrap();
}

const GIVEN: [u64; 6] = [3, 1, 4, 15, 9, 2];

fn what_is_given_in_one_place_is_found_in_another<O: Sample>(place: Place) {
    let home = Node::start().unwrap();
    let object: O = home.anonymous(O::options());
    place.run(&home, gives::<O>, (object.clone(), GIVEN.to_vec()));
    assert_eq!(object.numbers(GIVEN.len()), O::expected(&GIVEN));

    let object: O = home.anonymous(O::options());
    gives(&home, (object.clone(), GIVEN.to_vec()));
    assert_eq!(place.run(&home, takes::<O>, (object, GIVEN.len())), O::expected(&GIVEN));
}

for_every_type!(what_is_given_in_one_place_is_found_in_another);

fn an_object_of_a_third_place_serves_two_others<O: Sample>(place: Place) {
    let home = Node::start().unwrap();
    let end: Event = home.anonymous(EventOptions::new());
    let owner = place.start(&home, owns::<O>, ("/theirs".to_owned(), end.clone()));
    let object: O = home.open_timeout("/theirs", PATIENCE).unwrap();
    let giver = place.start(&home, gives::<O>, (object.clone(), GIVEN.to_vec()));
    giver.join();
    assert_eq!(place.run(&home, takes::<O>, (object.clone(), GIVEN.len())), O::expected(&GIVEN));
    end.set().unwrap();
    owner.join();
}

for_every_type!(an_object_of_a_third_place_serves_two_others);

fn an_object_is_found_by_its_name_and_its_name_is_taken<O: Sample>(place: Place) {
    fn opens<O: Sample>(node: &Node, name: String) {
        let object: O = node.open(&name).unwrap();
        object.give(7);
        let taken = node.create::<O>(&name, O::options());
        assert!(matches!(taken, Err(NameError::Taken { .. })), "{taken:?}");
        let same: O = node.get_or_create(&name, O::options()).unwrap();
        assert_eq!(same.numbers(1), O::expected(&[7]));
        assert!(matches!(node.open::<O>("/nobody's"), Err(NameError::NotFound(_))));
    }
    let home = Node::start().unwrap();
    let _object: O = home.create("/ours", O::options()).unwrap();
    place.run(&home, opens::<O>, "/ours".to_owned());
}

for_every_type!(an_object_is_found_by_its_name_and_its_name_is_taken);

fn an_object_of_a_manager_is_used_from_everywhere<O: Sample>(place: Place) {
    fn creates<O: Sample>(node: &Node, (host, name): (Host, String)) {
        let make = |node: &Node, name: String| node.create::<O>(&name, O::options()).is_ok();
        assert!(host.run(make, name.clone()).unwrap());
        gives::<O>(node, (node.open(&name).unwrap(), GIVEN.to_vec()));
    }
    let home = Node::start().unwrap();
    let manager = Manager::start(&home, "/manager").unwrap();
    place.run(&home, creates::<O>, (manager.host().clone(), "/hosted".to_owned()));
    let object: O = home.open("/hosted").unwrap();
    assert_eq!(object.numbers(GIVEN.len()), O::expected(&GIVEN));
    manager.shutdown(PATIENCE).unwrap();
    assert_eq!(object.ask(), Err(Ended));
}

for_every_type!(an_object_of_a_manager_is_used_from_everywhere);

/// Whether the name stands for something of another type.
fn is_refused<O: Object>(node: &Node, name: &str) -> bool {
    match node.open::<O>(name) {
        Ok(_) => false,
        Err(NameError::WrongType { .. }) => true,
        Err(other) => panic!("{other}"),
    }
}

fn a_name_does_not_stand_for_an_object_of_another_type<O: Sample>(place: Place) {
    fn opens<O: Sample>(node: &Node, name: String) -> bool {
        assert!(!is_refused::<O>(node, &name));
        let of_items = [
            is_refused::<Queue<u64>>,
            is_refused::<LifoQueue<u64>>,
            is_refused::<PriorityQueue<u64>>,
            is_refused::<Register<u64>>,
            is_refused::<List<u64>>,
            is_refused::<Dict<u64, u64>>,
            is_refused::<Set<u64>>,
            is_refused::<Served<Vec<u64>>>,
            is_refused::<Event>,
            is_refused::<Counter>,
            is_refused::<Latch>,
            is_refused::<Barrier>,
            is_refused::<Region>,
            is_refused::<Lock>,
            is_refused::<ReentrantLock>,
            is_refused::<RwLock>,
            is_refused::<Semaphore>,
            is_refused::<Condition>,
            is_refused::<Value<u64>>,
            is_refused::<Array<u64>>,
        ];
        // Nor for one of other items.
        let of_others = [
            is_refused::<Queue<String>>,
            is_refused::<LifoQueue<String>>,
            is_refused::<PriorityQueue<String>>,
            is_refused::<Register<String>>,
            is_refused::<List<String>>,
            is_refused::<Dict<u64, String>>,
            is_refused::<Set<String>>,
            is_refused::<Served<Vec<String>>>,
            is_refused::<Value<u32>>,
            is_refused::<Array<u32>>,
        ];
        let all = of_items.iter().chain(&of_others);
        all.clone().filter(|is_refused| !is_refused(node, &name)).count() == 1
    }
    let home = Node::start().unwrap();
    let _object: O = home.create("/ours", O::options()).unwrap();
    assert!(place.run(&home, opens::<O>, "/ours".to_owned()), "its own type alone, which is among these");
}

for_every_type!(a_name_does_not_stand_for_an_object_of_another_type);

/// Everything that carries values, with one handle in each. Events, counters, latches, barriers and regions carry none.
type Carriers<O> = (
    (Queue<O>, LifoQueue<O>, PriorityQueue<O>, PipeReceiver<O>),
    (Dict<u64, O>, List<O>, Register<O>, Set<O>, Served<Vec<O>>),
);

fn a_handle_travels_in_whatever_carries_values<O: Sample>(place: Place) {
    fn collects<O: Sample>(_: &Node, (passing, keeping): Carriers<O>) {
        let (queue, lifo, priority, pipe) = passing;
        queue.get().unwrap().give(1);
        lifo.get().unwrap().give(2);
        priority.get().unwrap().1.give(3);
        pipe.recv().unwrap().give(4);
        let (dict, list, register, set, served) = keeping;
        dict.get(&0).unwrap().unwrap().give(5);
        list.pop().unwrap().unwrap().give(6);
        register.take().unwrap().unwrap().give(7);
        set.snapshot().unwrap()[0].give(8);
        served.call(|held, ()| held[0].clone(), ()).unwrap().give(9);
    }
    let home = Node::start().unwrap();
    let object: O = home.anonymous(O::options());
    let queue: Queue<O> = home.anonymous(QueueOptions::new());
    let lifo: LifoQueue<O> = home.anonymous(QueueOptions::new());
    let priority: PriorityQueue<O> = home.anonymous(QueueOptions::new());
    let (sender, pipe) = home.one_way_pipe::<O>().unwrap();
    let dict: Dict<u64, O> = home.anonymous(DictOptions::new());
    let list: List<O> = home.anonymous(ListOptions::new());
    let register: Register<O> = home.anonymous(RegisterOptions::empty());
    let set: Set<O> = home.anonymous(SetOptions::new());
    let served: Served<Vec<O>> = home.anonymous(Serve::new(Vec::new()));
    queue.put(object.clone()).unwrap();
    lifo.put(object.clone()).unwrap();
    priority.put((0, object.clone())).unwrap();
    sender.send(object.clone()).unwrap();
    dict.insert(0, object.clone()).unwrap();
    list.push(object.clone()).unwrap();
    register.set(object.clone()).unwrap();
    set.insert(object.clone()).unwrap();
    served.call(Vec::push, object.clone()).unwrap();
    let carriers = ((queue, lifo, priority, pipe), (dict, list, register, set, served));
    place.run(&home, collects::<O>, carriers);
    assert_eq!(object.numbers(9), O::expected(&[1, 2, 3, 4, 5, 6, 7, 8, 9]));
}

for_every_type!(a_handle_travels_in_whatever_carries_values);

fn the_end_of_an_owner_is_told_and_its_names_are_free<O: Sample>(place: Place) {
    fn hands_on<O: Sample>(node: &Node, (told, end): (Queue<O>, Event)) {
        let object: O = node.create("/theirs", O::options()).unwrap();
        told.put(object).unwrap();
        end.wait().unwrap();
    }
    let home = Node::start().unwrap();
    let told: Queue<O> = home.anonymous(QueueOptions::new());
    let end: Event = home.anonymous(EventOptions::new());
    let owner = place.start(&home, hands_on::<O>, (told.clone(), end.clone()));
    let object = told.get_timeout(PATIENCE).unwrap();
    assert_eq!(object.ask(), Ok(()));
    end.set().unwrap();
    owner.join();
    if place == Place::Thread {
        // It belongs to the node, not to the thread that created it.
        assert_eq!(object.ask(), Ok(()));
        return;
    }
    eventually("the end is told", || object.ask() == Err(Ended));
    eventually("the name is free", || home.create::<O>("/theirs", O::options()).is_ok());
}

for_every_type!(the_end_of_an_owner_is_told_and_its_names_are_free);
