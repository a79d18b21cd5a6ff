# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one table of nouns: words for a kind of thing, and which kind is one of which.

The names of the COCO classes, common classes of LVIS and of furniture catalogues are listed. Read
by :mod:`spatialgeo_ros.query.nouns`; nobody keeps a second table.
"""

from __future__ import annotations

#: Kinds, with the narrower ones of the table, that go about by themselves.
MOVING_KINDS = (
    "person",
    "robot",
    "vacuum robot",
    "dog",
    "cat",
    "bird",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "zebra",
    "giraffe",
    "bear",
)

#: One kind a line: ``kind < wider kinds : other words``. A wider kind holds for the narrower too:
#: who asks for a chair may be shown an office chair, but not the other way round.
NOUN_TABLE = """
person : human, somebody, someone, pedestrian, human being
man < person : gentleman, guy
woman < person : lady
child < person : kid, toddler
boy < child
girl < child
baby < person : infant
worker < person : employee, staff member
face : human face
hand : human hand

chair : seat
office chair < chair : desk chair, swivel chair, task chair, computer chair
dining chair < chair : kitchen chair
folding chair < chair
plastic chair < chair
rocking chair < chair
high chair : highchair
armchair : easy chair, arm chair, lounge chair, recliner
wheelchair : wheel chair
deck chair : deckchair, beach chair
lawn chair : garden chair
stool : footstool, step stool
bar stool < stool : barstool
ottoman : pouffe, pouf, hassock
bench
park bench < bench
sofa : couch, settee, loveseat, love seat
sofa bed < sofa : futon, sleeper sofa
toilet seat
car seat : child seat, baby seat, booster seat
bed
bunk bed < bed
hospital bed < bed
dog bed
crib : cot, baby bed
mattress
pillow : cushion
blanket : quilt, duvet

table
dining table < table : diningtable, kitchen table, dinner table
coffee table < table
side table < table : end table
conference table < table : meeting table
picnic table < table
folding table < table
pool table : billiard table
tennis table : ping pong table, table tennis table
changing table
ironing board
desk : writing desk
reception desk < desk
computer desk < desk : office desk
standing desk < desk
workbench : work bench
counter : countertop, counter top, worktop
kitchen counter < counter
bar counter < counter
tablecloth : table cloth
table leg
table mat : placemat, place mat

shelf : shelving, shelving unit
bookshelf < shelf : bookcase, book shelf, book case
rack : storage rack
coat rack : coatrack, coat stand, hat stand
shoe rack
wine rack
towel rack : towel rail
dish rack
bike rack
cabinet : cupboard
sideboard : buffet, credenza
kitchen cabinet < cabinet : kitchen cupboard
file cabinet : filing cabinet
medicine cabinet
dresser : chest of drawers
drawer
wardrobe : closet, armoire
nightstand : night stand, bedside table, night table, bedside cabinet
tv stand : tv unit, television stand, tv bench, tv table, tv cabinet
plant stand
music stand
iv stand : iv pole, drip stand
umbrella stand
locker

plant : potted plant, pottedplant, house plant, houseplant, pot plant, indoor plant
flower
tree
christmas tree
flowerpot : flower pot, plant pot, planter
vase
power plant

lamp : light
floor lamp < lamp : standing lamp
table lamp < lamp : desk lamp, bedside lamp, reading lamp
ceiling light : ceiling lamp, pendant lamp, pendant light, chandelier
wall lamp : wall light, sconce
street light : street lamp, streetlight, streetlamp, lamp post, lamppost
traffic light : stoplight, stop light, traffic signal
headlight : headlamp, head light
tail light : taillight
night light
flashlight : flash light, torch
light switch : wall switch
light bulb : lightbulb, bulb
lampshade : lamp shade
candle

door
front door < door
back door < door
room door < door
glass door < door
sliding door < door
garage door
car door
cabinet door : cupboard door
fridge door : refrigerator door
oven door
trap door : trapdoor
doorway : door opening
door frame : doorframe
door handle : doorknob, door knob
doormat : door mat
gate
window
car window
curtain : drape
blind : window blind
elevator : lift
wall
floor : ground
ceiling
stair : stairs, staircase, stairway
handrail : railing
pillar : column
radiator
fireplace
rug : carpet
bath mat
mat
yoga mat
mouse pad : mousepad, mouse mat

television : tv, tv set, television set, telly
tv monitor < television, monitor : tvmonitor
monitor : computer monitor, computer screen, display
projector : beamer
projector screen : projection screen
laptop : notebook computer, laptop computer
notebook
computer : desktop computer, pc
computer mouse
keyboard : computer keyboard
piano keyboard
mouse
printer
phone : telephone
cell phone < phone : cellphone, mobile phone, mobile, smartphone, smart phone
remote : remote control, remote controller
tablet : tablet computer
speaker : loudspeaker
headphones : headphone, earphones, headset
camera
charger
router
clock : wall clock
alarm clock < clock
watch : wristwatch, wrist watch
fan
ceiling fan
air conditioner : ac unit, aircon
power strip : extension lead
socket : power outlet, outlet, power socket, wall socket

fridge : refrigerator, icebox
freezer
microwave : microwave oven
oven
toaster oven
stove : cooker, hob, cooktop
dishwasher : dish washer
washing machine : washer, laundry machine
dryer : tumble dryer, clothes dryer
hair dryer : hairdryer, hair drier, blow dryer
kettle
toaster
coffee machine : coffee maker
vending machine
vacuum cleaner : vacuum, hoover
sewing machine
sink : washbasin, wash basin, basin
toilet : wc
toilet paper
bathtub : bath tub, bath
shower
faucet : tap
mirror

bottle
water bottle < bottle : bottle of water
wine bottle < bottle
mug : cup, coffee cup, coffee mug, teacup, tea cup
cup holder
glass : drinking glass
wine glass < glass : wineglass
glasses : eyeglasses, spectacles
sunglasses
bowl
plate : dish
fork
knife
spoon
pan : frying pan, skillet
pot : cooking pot, saucepan
jug : pitcher
tray
can : tin, tin can, soda can
trash can : waste bin, bin, garbage can, garbage bin, dustbin, rubbish bin, trash bin, wastebasket
laundry basket : hamper
basket
shopping cart : shopping trolley
cart : trolley
box : carton
cardboard box < box
toolbox : tool box
fuse box
mailbox : mail box, letter box, letterbox, postbox
tissue box
lunch box : lunchbox
crate
pallet
bucket : pail
barrel
bag
handbag < bag : purse
backpack : rucksack, knapsack
plastic bag < bag
shopping bag < bag
sleeping bag
bean bag : beanbag
suitcase : luggage, piece of luggage
briefcase
umbrella
tie
book
magazine
newspaper
paper
picture : painting, poster, framed picture, photograph
picture frame : photo frame
whiteboard : white board
blackboard : chalkboard, black board
cutting board : chopping board
surfboard
skateboard
snowboard
skis : ski
pen
pencil
scissors : pair of scissors
stapler
teddy bear : teddy
bear
doll
toy
ball : sports ball
tennis ball < ball
football < ball : soccer ball
basketball < ball
balloon
kite
frisbee
baseball bat
baseball glove
tennis racket
guitar
guitar case
piano
drill : power drill
hammer
screwdriver
wrench : spanner
ladder
step ladder < ladder : stepladder
fire extinguisher
fire hydrant : hydrant
fire alarm : smoke detector
first aid kit
traffic cone : cone, pylon
stop sign
traffic sign : road sign
exit sign
parking meter
hose
rope
broom
mop
iron
clothes : clothing
coat
jacket
hat
helmet
shoe
boot
glove
towel
toothbrush

car : automobile
toy car
truck : lorry
bus
van
train
motorcycle : motorbike
bicycle : bike
scooter
forklift : fork lift, forklift truck
tractor
airplane : aeroplane, plane
boat
robot
robot arm : robotic arm, manipulator
vacuum robot : robot vacuum
dog
hot dog : hotdog
cat
bird
horse
sheep
cow
elephant
zebra
giraffe
apple
banana
orange
sandwich
broccoli
carrot
pizza
donut : doughnut
cake

heater : space heater
thermostat
extension cord : extension cable
cable : power cable, charging cable
blender : food processor
jar
napkin : serviette
sponge
pliers : pair of pliers
nail
bolt
vise : vice
conveyor belt : conveyor
pipe
valve
pump
generator
compressor : air compressor
barrier : safety barrier
fence
sock
shirt : t-shirt
ruler
calendar
bush : shrub
bollard
crutch
stretcher : gurney
bedpan
syringe
thermometer
microscope
centrifuge
beaker
test tube
flask
pipette
fume hood
gas cylinder : gas bottle
oxygen tank : oxygen cylinder
examination table
patient monitor < monitor
defibrillator
sharps container
hand sanitizer : hand sanitiser
soap dispenser
paper towel
drone : quadcopter
tripod
puzzle : jigsaw
violin
ashtray
stroller : pushchair, pram, baby carriage
clothesline : washing line
water dispenser : water cooler
copier : photocopier, copy machine
shredder : paper shredder
server rack < rack
microphone
turnstile
escalator
skylight
sprinkler
console table < table
wheelbarrow
shovel : spade
axe : hatchet
watering can
lawn mower : lawnmower
grill : barbecue, bbq
parasol : sunshade
tent
thermos : thermos flask
corkscrew
range hood : cooker hood, extractor hood
kitchen island
bathroom scale : bathroom scales
toothpaste
razor : shaver
comb
package : parcel
envelope
wallet
necklace
pallet jack : pallet truck
hand truck < cart : sack truck, dolly
tool cart < cart
charging station : docking station
oscilloscope
soldering iron
3d printer
treadmill
exercise bike : stationary bike
dumbbell
chess board : chessboard
fish tank : aquarium
bird cage : birdcage
cat tree : scratching post
litter box
phone booth : telephone box
kiosk
hand dryer : hand drier
urinal
room divider : folding screen
cubicle
cash register
display case : showcase
mannequin
shopping basket < basket
bulletin board : notice board, noticeboard, pinboard
flip chart : flipchart
lectern : podium
flag
globe
trophy
statue : sculpture
fountain
trampoline
hammock
kayak : canoe
wagon : handcart
scaffold : scaffolding
tarp : tarpaulin
sandbag
brick
plank
workpiece
lathe
milling machine
drill press
table saw
band saw
welding machine : welder
control panel
solar panel
antenna
boiler : water heater
mop bucket < bucket
toolbag : tool bag
"""
