"""Topic bank: food, pets, weather, sleep, work, music, films, travel and other daily life."""

BANK = """
== cooking : life
-- what+
Q what's [everyone|for dinner|{you}] [having|eating|cooking] [tonight|today]?
Q what should I [cook|make] [tonight|for dinner]? I have {spice} and [rice|eggs|no plan]
A {food}, [with|and] [too much|a lot of] {spice}
A {food}<, the good kind, from my grandmother's recipe>
A make {food}, it takes {mins} minutes and [forgives|hides] everything
A {me.food}, [like every {day}|as always]
A cereal, [don't judge me|I'm an adult]
a {food}? [save me a plate|I'm coming over]
a {mins} minutes, I can do that
a now I'm [hungry|starving], {thanks}
S {food} with {spice} is the answer to most things
S I had {food2} and I [regret nothing|regret it]
-- complain+ img
Q my {food} is {dish_fail}, [again|I give up]
Q I [tried|made] {food} and it came out {dish_fail}
A add {spice}, [nobody will know|it saves anything]
A how long was it [in the oven|on the stove]?
A {dish_fail} is [a flavor|how {who} likes it]
A order {food2} and [open a window|never speak of it]
a {mins} minutes, I was [in a raid|fighting {boss}]
a {spice} helped, [a little|actually]
a ordering now, [shame|victory] tastes like {food2}
S {you} versus the oven, round {num}
S we've all been there, mine was [on fire|blue]
-- brag+ img
Q I made {food} from scratch, {num} hours, [worth it|look at it]
Q [behold|look], {food}, with homemade {spice} [oil|sauce]
A {wow}, that looks [better than|like] a restaurant
A recipe [please|now], I have guests on {day}
A {num} hours? for {food}? [respect|why]
a I'll [post|send] the recipe {soon}
a the secret is {spice}, [lots of it|and spite]
S mail me a [slice|bowl]
-- how
Q how do you [keep|get] {food} from [sticking|going soggy]?
A lower heat and [patience|a lid]
A more {spice}, less stirring
A rest it {mins} minutes, [really|that's all]
a less stirring, [got it|but stirring is the fun part]
a {mins} minutes of not eating it? [hard|cruel]

== pets : life media
-- tell+ img
Q {me.pet} [just|has] [stolen|eaten|sat on] my [dinner|headset|homework|chair]
Q {me.pet} [fell asleep|is asleep] on my keyboard, [send help|I can't play]
Q {me.pet} learned to [open the fridge|ring the bell|turn off my computer]
A {you.pet} [knows|did] what's right
A [picture|photo] of {you.pet} [please|now], it's the law
A {you.pet} for [guild leader|president], honestly
A mine does that too, {me.pet} has no [manners|shame]
a {me.pet} says [hi|thanks|nothing, only stares]
a picture's coming once {me.pet} [moves|stops chewing it]
a they should [start a club|never meet]
S {me.pet} would [approve|never, too lazy]
S I only come here for {you.pet} [updates|news]
-- how+
Q how is {you.pet} doing [today|after the vet]?
Q how's {you.pet}, {you}?
A {me.pet} is [fine|much better], [eating|sleeping] like a [king|champion]
A [fat|spoiled] and happy, {thanks} for asking
A {me.pet} [hates|forgives] me since the [bath|vet], otherwise {good}
a {good}, [give|pass on] a [scratch|treat] from me
a poor {you.pet}, [extra treats|hugs]
a tell {you.pet} I said hi
S {you.pet} deserves [a raise|fish]
-- yesno
Q does {you.pet} get along with [guests|the hoover|other animals]?
Y {yes}, [loves|adores] everyone with [food|cheese]
Y {yes}, even with {who}, and that says a lot
N {no}, {me.pet} [bites|hides|screams]
N not at all, the hoover is the [enemy|final boss]
y a good [soul|judge of character]
n relatable, me too
n {you.pet} has [boundaries|standards]

== weather : life general
-- complain+
Q {weather} [again|all day] here, [my window is|the roof is] [leaking|singing]
Q it's {deg} degrees in my [room|flat] and the [fan|computer] is [crying|losing]
A [send|lend] me some of the {weather}, it's [boiling|dry] here
A perfect {game} weather, [close|shut] the curtains
A same here, {me.pet} refuses to go [out|near the window]
A open the [fridge|freezer] and move in
a boiling? deal, [posting|shipping] it [now|by bus]
a {you.pet} is [right|wise], [stay|staying] in is {good}
a the fridge is full of {me.food}, no room for me
a {game} it is then
S {weather2} here, we should [swap|average it]
S it's [always|only] sunny in {place}
-- how+
Q how's the weather [over there|where you are], {you}?
A {weather}, since {day}
A [grey|sunny], finally, I even saw a [neighbor|bird]
A {weather} in the morning, {weather2} by {time}
a {weather}! I [miss|envy] that
a birds are [overrated|real], good to know
a stay [dry|warm|inside] then

== sleep : life general
-- yesno+
Q [why are you|are you] still awake {you}? it's [{hour}|{hour} in the morning] [there|for you]
Q did you sleep [at all|last night]?
Y {yes}, [one|just one] more [turn|run|episode]
Y {yes}, {num} hours, [a record|like a baby]
N {no}, {noise} kept me up
N {no}, I [started|opened] {game} at {time} and it was suddenly {hour}
N not really, too much {drink}
y [one more|that] is a lie and you know it
y {num} hours? proud of you
n {laugh} {game} [time|clock] is different
n switch to [tea|water] after {time2}, trust me
S go to bed, [both|all] of you
S sleep is for the [servers|patch days]
-- complain+
Q I [slept|got] {small} hours and have {work} [today|at {time}]
Q my sleep schedule is [ruined|upside down], I [woke up|got up] at {time} in the evening
A {drink} and [a walk|a shower], then [an early night|no raid tonight]
A same, we [live|are] in the wrong timezone
A just stay up until {time2}, it resets
A {small} hours? [that's a nap|you'll feel it by noon]
a {drink} number {small} is [on|brewing]
a staying up is how I got here
a no raid? [cruel|never]
S {who} sleeps in the {place} afk, do that
-- when
Q when do you [go to bed|get up] [usually|normally]?
Q what time do you have to be up?
A {time}, [if nobody needs a healer|on paper]
A {time} on weekdays, {time2} on weekends
A [around|about] {time}, {me.pet} [sees to it|wakes me]
a {time}? [grandpa|impressive]
a {you.pet} is the best alarm

== work_stress : life
-- complain+
Q {work} is [killing me|eating my week]
Q I have {work} [and|plus] {school} [tomorrow|on {day}], I'm [done|toast]
Q my boss [gave|handed] me {work} at {time} on a {day}
A {bad}, [want to|let's] hit something in {game} later?
A take it one [page|hour] at a time, {you}, you've got this
A been there, {drink} and [headphones|{genre}] got me through
A quit and [become|be] a [fisherman|{me.class}] like me
a {yes}, [please|at {time}], I need to hit things
a {thanks}, that [helps|means a lot]
a {genre} is on, {drink} is ready
S same, {me.job} is [no better|chaos this week]
S say the word and we [riot|send {who}]
-- how+
Q how was work [today|{you}]?
Q how did the [interview|exam|meeting] go?
A [better than|as bad as] expected, [nobody cried|{work} is done]
A {good}! they [laughed at my joke|said they'd call on {day}]
A [long|loud], {work}, then {work2}
A [terrible|a disaster], I said "good game" at the end
a that's [a win|great news], {you}
a fingers crossed for {day}
a {laugh} [good game|gg] is a valid closing
S that deserves {food}
-- what
Q what do you [do|work as] again, {you}?
A {me.job}, [five years now|somehow|don't ask]
A I'm in {me.job}<, it pays for the games>
a {you.job}! [so cool|that explains the patience]
a right, you told us about the [printer|cat] there
-- yesno
Q is it at least [over|done] by {day}?
Y {yes}, [{time}|noon] and then I'm free
Y {yes}, and then I sleep for {small} days
N {no}, it goes on until next [month|week]
N not a chance
y {good}, {game} on {day} night then?
n {bad}, we'll keep your seat warm

== school : life
-- yesno+
Q is anyone [any good|decent] at {school}? I have [an exam|a test] on {day}
Q can someone [explain|help me with] {school} [later|before {day}]?
Y {yes}, I [did|studied] that, [send me the question|what's it about]
Y {yes}, {me.job} is half {school}, ask away
N {no}, I [failed|slept through] that [twice|proudly]
N not me, but {who} [teaches|knows] it
y it's chapter {num}, I [understand|get] nothing
y you're a [hero|lifesaver], I'll be on at {time}
n {laugh} ok, [asking {who}|back to the book]
n solidarity
S {school} is just {game} with [worse graphics|no respawns]
-- brag+
Q I passed {school}! [by|with] {percent}!
Q got my {school} [grade|result] back, [top of the class|better than I feared]
A {wow}, congrats {you}! [cake|{food}] tonight?
A knew it, [all that|{num} nights of] studying
A {percent} is [a pass|all you need], well done
a {food} and {game}, the dream
a studying and [panicking|{drink}], mostly
S the guild's first [scholar|professor]

== music : life
-- what+
Q what are you [listening to|all listening to] [today|right now]?
Q what do you [play|put on] when you [raid|farm|study]?
A {genre}, [loud|all day], especially {song}
A {song} on repeat, [send help|{num} hours now]
A {me.genre}, [same as|like] every day
A nothing, I [like|need] to hear {boss} coming
a {song} is [so good|stuck in my head now]
a {genre}? didn't expect that from you
a {num} hours, you ok?
S my playlist is {genre2} and [one|a single] jingle from {game}
S {genre} while tanking is [a choice|elite]
-- tell+
Q found [a new|this] {genre} [album|cover], {song}, [listen|try it] {link}
Q this {genre} [version|remix] of the {game} theme is [wild|lovely] {link}
A listening now, the [drums|bass|flute] [is|are] {good}
A {genre}? [in|oh] this economy? ok, it's {good}
A not my thing, but {who} will [love|marry] it
A that bit at {num} minutes, goosebumps
a the [bass|flute] solo is why I'm here
a {who} already [stole|has] it
S added to the raid playlist
-- which
Q {genre} or {genre2} for [raid night|the road trip]?
A {genre}, {genre2} makes me [sleepy|drive too fast]
A {genre2}, we [had|heard] {genre} all last week
a ok, {genre} gets my vote too
a {who} will complain, let's do it
-- yesno
Q have you heard {song}?
Y {yes}, [{who} played it|it was on] in voice chat {num} times
Y {yes}, cried on the bus
N {no}, is it [more|another] {genre}?
N not yet, [send it|link]?
y same, the last minute is [unfair|too much]
n {link} here, headphones on
n it is, and you'll [love|hate] it

== movie_night : life general
-- what+
Q what are we watching [on {day}|for movie night]?
Q movie night suggestions?<  {who} picked last time>
A {film}, [it's short|I've waited months]
A {film} or {film2}, [I brought|I have] snacks for both
A anything but {film2}, [please|I still have nightmares]
A {show}, if we want [cozy|low effort]
a {film}! [yes|{yes}], adding it to the poll
a no {film2}, [noted|understood]
a is that the one with the [dog|submarine|ghost]?
S I vote {film}, {who} votes [asleep|whatever]
S as long as there are [subtitles|snacks]
-- when+
Q when is movie night?
Q what time does the [movie|stream] start [on {day}]?
A {day} at {time}
A {time}, {who} hosts<, bring popcorn>
A {time} or so, after {who} [eats|logs in]
a {time}, [popcorn's ready|I'll be there]
a I'll miss the first {mins} minutes then
S {time2} would be better for me, [but fine|just saying]
-- how+
Q how was {film}?
Q did you like {film}, {you}?
A [loved|liked] it, the [ending|dog|music] [got me|made me cry]
A {num} out of ten, the [middle|villain] [drags|was silly]
A fell asleep at the [trial|wedding] scene, [sorry|so it was relaxing]
A better than {film2}, [which isn't hard|and I liked that]
a the ending! [right|don't get me started]
a asleep? you [sleep|nap] through [everything|{film2} too|every film]
a {num}? [harsh|generous]
S the [dog|piano] deserved an award
-- yesno
Q is it [scary|sad]? asking for {me.pet}
Y {yes}, a bit, there's a [basement|clown] scene
Y {yes}, bring tissues
N {no}, it's [mostly|all] jokes and [knives|soup]
N not at all, {me.pet} slept through it
y then I [hold|bring] a pillow
n {good}, I'm a coward

== travel : life media
-- tell+ solo
Q I'm [going|off] to {city} {soon}, by {travelby}
Q [booked|just booked] {num} days in {city}!
A {city}! [eat|try] the {food} [there|near the station]
A lucky, I've wanted to see {city} [for years|since school]
A who heals while you're [away|in {city}]?
A take [me|the {travelby}|pictures], please
a {food} is on the list, {thanks}
a {who} heals, I've [bribed|asked] them
a there will be [pictures|postcards] of [cats|bridges]
S bring back [snacks|a magnet]
S by {travelby}? [brave|the best way]
-- how+
Q how was {city}, {you}?
Q how's the trip [going|so far]?
A [rainy|sunny] and [full of cats|expensive], I want to [stay|go back]
A {good}, except the {travelby} was {mins} minutes late [twice|each day]
A I ate {food} {num} times, so [perfect|no regrets]
a {num} times, [hero|that's the way]
a the {travelby} always is
a post pictures of the cats, {you}
-- tell img
Q [view|the view] from my window in {city} right now
Q the {travelby} station in {city} looks like {place}
A {wow}, is that a [castle|bakery|harbor]?
A it really does, [minus|where is] {boss}?
A so pretty, I'm [jealous|stuck with {work}]
a a bakery, and {yes}, I've been in [twice|{num} times]
a {boss} runs the ticket office

== birthday : general life
-- tell+ solo
Q it's {who}'s birthday [tomorrow|on {day}|today]!
Q [psst|reminder|quick secret], {who} turns another year older [tomorrow|on {day}]
A oh! what do we [get|give] them? {present}?
A I [forgot|almost forgot], how about {present}?
A we [could|should] do a [surprise raid|fireworks show] at {place}
A I'll bake {food}, [virtually|sort of], for {who}
a {present} is [perfect|so them]
a fireworks at {place}, {time}, [don't tell|keep it quiet]
a they [love|live on] {food}, {good}
S I'm in, {big} {currency} from me
S count me in, I'll bring the cake [emote|lie]
-- tell+ solo
Q happy birthday {you}! [cake|{food}|{present}] for [everyone|you]
Q it's {you}'s [big day|birthday], everybody [sing|shout]!
A {thanks}! [another level|level up], no new skills
A {thanks}, I feel [the same|ancient|{num} years older]
A you remembered! {me.pet} and I are [touched|crying]
a [you don't look|still] a day over level {num}
a give {you.pet} some [cake|{food}]
a [party|games] at {time}, then
S happy birthday {you}, from me and {me.pet}
S [hip hip|many more], {you}!
-- what
Q what do you want for your birthday, {you}?
A {present}, or [sleep|a drop from {boss}]
A {item}, [dream big|since you ask], or {present}
A just [a quiet evening|{me.food}] and {game} with you lot
a {present}? [noted|that can be arranged]
a we can do that, {you}
S I already got you {present}, act surprised

== chores : life
-- yesno+
Q did you [finish|do] the {chore}, {you}?
Q has anyone else been putting off {chore}?
Y {yes}, {mins} minutes, I [feared|delayed] it for {num} days
Y {yes}, and rewarded myself with {food}
N {no}, I looked at it, it looked back
N {no}, {game} was [open|right there]
y the relief, right?
y deserved
n {laugh}, [tomorrow|{soon}] then
n it's still there [in the morning|after one more run]
S {chore} counts as a daily quest

== hobbies : life media
-- brag+ img
Q I [finished|made] {craft} [this weekend|finally], [took|after] {num} weeks
Q first try at {craft}, [be kind|be gentle]
A {wow}, you made {craft}? [by hand|from nothing]?
A the [colors|details|edges] are [lovely|so clean]
A teach me, I [broke|ruined] my last one
A {who} will want one [too|in {color}]
a by hand, [{num} plasters|only some blood]
a {color} next, [orders are open|for {who}]
a come over on {day}, I'll show you
S that's [better|tidier] than our base
-- what+
Q what do you do [when|if] you're not [gaming|here], {you}?
A {me.hobby}, [mostly|and sleep]
A {me.job}, then {me.hobby}, then [panic|here]
A I do {me.hobby} on {day}s
a {you.hobby}? [since when|I had no idea]
a {good}, I've always wanted to try {you.hobby}
S I tried {you.hobby} once, [never again|the police came]
"""
